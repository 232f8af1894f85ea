/** Training over replicas, ranks and stages: the loop of `fit`, whose every update several workers make together. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, type FitReport, fit, type Scorer, scorer } from '../train/index.ts';
import type { Optimizer } from '../train/optim/transform.ts';
import type { ScoreOptions } from '../train/score.ts';
import type { Trainer } from '../train/trainer.ts';
import { alone as aloneWorkers, type Workers } from '../train/workers.ts';
import { alone } from './alone.ts';
import type { Collective } from './collective.ts';
import type { Compression } from './compress/index.ts';
import type { BalanceName } from './pipeline/balance.ts';
import type { ScheduleName } from './pipeline/schedule.ts';
import { openPipelineTrainer } from './pipeline/trainer.ts';
import { replicasFor } from './replicas-for.ts';
import { tell } from './tell.ts';
import { openParallelTrainer, type ParallelTrainer } from './trainer.ts';

export interface ParallelOptions {
  /** Replicas in this process. Default: `replicasFor` where it works alone, else 1. */
  replicas?: number;
  /** Where each replica works: sets of cores (`cpu:0-1`) or accelerators (`cuda:0`), one for each. Default: where the system puts them. */
  devices?: readonly string[];
  /** The group that this process belongs to (`join`, `asRank`). Default: none. */
  collective?: Collective;
  /** Cut the model into this many stages that work at the same time. Over ranks: one each; on a multiple of them, copies of the pipeline. */
  stages?: number;
  /** Micro-batches of a pipelined step. Default: about 4 for each stage. */
  micro?: number;
  /** In which order a stage works on them. Default '1f1b'. */
  schedule?: ScheduleName;
  /** What the stages are made even in: work as counted, as timed here, or memory. Default 'cost'. */
  balance?: BalanceName;
  /** Each rank keeps the optimiser's state of its share of the weights only (ZeRO, stage 1). Default false. */
  shardUpdate?: boolean;
  /** Split wide layers over so many ranks, next to each other in the group. Default 1. */
  tensor?: number;
  /** Batch normalisation over the samples of all copies together, as one process would have it. Default false. */
  syncNorm?: boolean;
  /** What the ranks' slopes travel as (`fp16()`, `topK(0.01)`). Nothing travels inside a process. Default: as they are. */
  compress?: Compression;
  /**
   * Updates that each rank makes by itself before they meet (local SGD); they count as one update then, for logs and checkpoints.
   * Default: ranks join every gradient.
   */
  syncEvery?: number;
  /** What a meeting makes of the ranks' differences: a plain average, or DiLoCo's `outers.nesterov()`. Default `outers.average()`. */
  outer?: Optimizer;
}

/** `batch` counts the samples of all replicas of all ranks together. */
export interface ParallelFitOptions extends Omit<FitOptions, 'workers'>, ParallelOptions {}

export interface ParallelFitReport extends FitReport {
  /** Copies of the model that took part, of all ranks together. */
  readonly replicas: number;
  /** Parts of each copy that worked at the same time. */
  readonly stages: number;
  /** Each stage's share of what the cut balances; absent without stages. */
  readonly shares?: readonly number[];
  readonly ranks: number;
  /** Where ranks exchange gradients or weights: bytes that one sends with each update, and as float32 with every gradient. */
  readonly traffic?: ParallelTrainer['traffic'];
}

/** Those who train, and what passes between them. */
export interface ParallelWorkers extends Workers {
  /** Once open, where ranks exchange gradients or weights: what each update costs. */
  readonly traffic?: () => ParallelTrainer['traffic'] | undefined;
  /** Once open, where the model is cut into stages: the share of each of what the cut balances. */
  readonly shares?: () => readonly number[] | undefined;
}

/**
 * Who trains, as `fit` asks for it; the process alone when nothing is parallel.
 *
 * Throws   parallel/replicas, parallel/exclusive for ways of working that exclude each other; opening throws parallel/resident.
 */
export function workersFor(how: ParallelOptions): ParallelWorkers {
  const { devices, collective = alone(), stages, micro, schedule, balance } = how;
  const replicas = replicasOf(how);
  const isOne = !devices && collective.size === 1 && stages === undefined;
  if (how.replicas === undefined && isOne) return automatic();
  if (replicas === 1 && isOne) return aloneWorkers;
  if (stages !== undefined && (replicas > 1 || devices)) {
    throw new PareError('parallel/replicas', 'A pipeline has no replicas inside one process.', {
      expected: 'stages, or replicas and their devices',
      got: `${stages} stages, ${replicas} replicas`,
      hint: 'start it on stages × replicas ranks instead',
    });
  }
  if (stages !== undefined && (how.tensor ?? 1) > 1) {
    throw new PareError('parallel/exclusive', 'The layers of a stage are not split.', {
      expected: 'stages, or split layers',
      got: `${stages} stages, layers over ${how.tensor} ranks`,
    });
  }
  if (stages !== undefined && (how.compress || how.syncEvery !== undefined)) {
    throw new PareError(
      'parallel/exclusive',
      'Stages pass on values and slopes of layers, which must arrive whole and in time.',
      {
        expected: 'stages, or copies whose gradients are compressed or join now and then',
      },
    );
  }
  const common = {
    isFirst: collective.rank === 0,
    replicas: () => replicas,
    tell: <T>(work: () => T | Promise<T>) => tell(collective, work),
    score: (trainer: Trainer, ...rest: ScoreArguments) => scoreTogether(trainer, collective, ...rest),
  };
  if (stages !== undefined) {
    let shares: readonly number[] | undefined;
    const open: Workers['open'] = async (model, data, options, lab) => {
      if (options.resident) throw apart();
      const cut = { stages, ...(micro && { micro }), ...(schedule && { schedule }), ...(balance && { balance }) };
      const trainer = await openPipelineTrainer(model, data, { ...options, ...cut, collective }, lab);
      shares = trainer.shares;
      return trainer;
    };
    return { ...common, shares: () => shares, open };
  }
  let opened: ParallelTrainer | undefined;
  return {
    ...common,
    traffic: () => (collective.size > 1 ? opened?.traffic : undefined),
    async open(model, data, options, lab) {
      if (options.resident) throw apart();
      opened = await openParallelTrainer(model, data, { ...how, ...options, replicas, collective }, lab);
      return opened;
    },
  };
}

type ScoreArguments = Parameters<Workers['score']> extends [unknown, ...infer Rest] ? Rest : never;

const apart = (): PareError =>
  new PareError('parallel/resident', 'Workers that add their slopes up do so in memory.', {
    expected: 'one process and one replica, for weights that stay on the device',
    got: 'resident: true with replicas, ranks, stages or devices',
    hint: 'leave one of the two out',
  });

/** Throws parallel/replicas when there are not as many devices. */
function replicasOf({ replicas, devices }: ParallelOptions): number {
  if (!devices || replicas === undefined || replicas === devices.length) return devices?.length ?? replicas ?? 1;
  throw new PareError('parallel/replicas', `${replicas} replicas cannot work on ${devices.length} devices.`, {
    expected: 'a device for each replica',
    got: devices.join(', '),
    hint: 'devices alone say how many replicas there are',
  });
}

/** One process, which takes as many replicas as pay. */
function automatic(): Workers {
  let replicas = 1;
  return {
    ...aloneWorkers,
    replicas: () => replicas,
    async open(model, data, options, lab) {
      replicas = options.resident ? 1 : await replicasFor(model, data, options, lab);
      return replicas === 1
        ? aloneWorkers.open(model, data, options, lab)
        : openParallelTrainer(model, data, { ...options, replicas }, lab);
    },
  };
}

/** All ranks score together where none holds all weights; else the first does. All get the word. */
async function scoreTogether(
  trainer: Trainer,
  collective: Collective,
  model: Model,
  data: Dataset,
  how: ScoreOptions,
  lab: Lab,
): Promise<Scorer> {
  const { agreement } = trainer;
  if (agreement?.score) return agreement.score(model, data, how, lab);
  await agreement?.settle();
  const score = collective.rank === 0 ? await scorer(model, data, trainer.weights(), how, lab) : undefined;
  return {
    async run() {
      await agreement?.settle();
      return tell(collective, () => score!.run());
    },
    [Symbol.dispose]: () => score?.[Symbol.dispose](),
  };
}

/**
 * Trains a model as `fit` does, on several replicas, ranks or stages.
 *
 * `batch` counts the samples of all replicas together, so the loss of each step is that of one process with the same options
 * and seed, to about 1e-5 (other sums round otherwise). It differs with BatchNorm (each replica normalises its own share; the
 * running statistics are averaged), with dropout (each replica draws its own mask), and with a loss whose mean is weighted
 * by class. Every rank calls it with the same model, data and options. The first gets the trained model; with copies of the
 * model all do.
 *
 * Throws   what `fit` throws, on all ranks; parallel/replicas when a batch is smaller than the number of replicas.
 *
 * @example
 * const { model: trained } = await fitParallel(model, data, { replicas: 2, epochs: 3 }, { engine });
 */
export async function fitParallel(
  model: Model,
  data: Dataset,
  options: ParallelFitOptions,
  lab: Lab,
): Promise<{ model: Model; report: ParallelFitReport }> {
  const { collective, stages } = options;
  const workers = workersFor(options);
  const { onProgress: _, onNote: __, ...quiet } = lab;
  const { model: trained, report } = await fit(model, data, { ...options, workers }, workers.isFirst ? lab : quiet);
  const ranks = collective?.size ?? 1;
  const [traffic, shares] = [workers.traffic?.(), workers.shares?.()];
  const copies = Math.max(1, ((workers.replicas?.() ?? 1) * ranks) / ((stages ?? 1) * (options.tensor ?? 1)));
  return {
    model: trained,
    report: {
      ...report,
      replicas: copies,
      stages: stages ?? 1,
      ...(shares && { shares }),
      ranks,
      ...(traffic && { traffic }),
    },
  };
}
