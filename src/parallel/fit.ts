/** Training over replicas, ranks and stages: the loop of `fit`, whose every update several workers make together. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, type FitReport, fit, type Scorer, scorer } from '../train/index.ts';
import type { ScoreOptions } from '../train/score.ts';
import type { Trainer } from '../train/trainer.ts';
import { alone as aloneWorkers, type Workers } from '../train/workers.ts';
import { alone } from './alone.ts';
import type { Collective } from './collective.ts';
import { openPipelineTrainer } from './pipeline/trainer.ts';
import { replicasFor } from './replicas-for.ts';
import { tell } from './tell.ts';
import { openParallelTrainer } from './trainer.ts';

export interface ParallelOptions {
  /** Replicas in this process. Default: `replicasFor` where it works alone, else 1. */
  replicas?: number;
  /** Where each replica works: sets of cores (`cpu:0-1`) or accelerators (`cuda:0`), one for each. Default: where the system puts them. */
  devices?: readonly string[];
  /** The group that this process belongs to (`join`, `asRank`). Default: none. */
  collective?: Collective;
  /** Cut the model into this many stages that work at the same time, instead of copying it. Under MPI: one for each rank. */
  stages?: number;
  /** Micro-batches of a pipelined step. Default: about 4 for each stage. */
  micro?: number;
  /** Each rank keeps the optimiser's state of its share of the weights only (ZeRO, stage 1). Default false. */
  shardUpdate?: boolean;
  /** Split wide layers over so many ranks, next to each other in the group. Default 1. */
  tensor?: number;
}

/** `batch` counts the samples of all replicas of all ranks together. */
export interface ParallelFitOptions extends Omit<FitOptions, 'workers'>, ParallelOptions {}

export interface ParallelFitReport extends FitReport {
  /** Copies of the model that took part, of all ranks together. */
  readonly replicas: number;
  /** Parts of each copy that worked at the same time. */
  readonly stages: number;
  readonly ranks: number;
}

/**
 * Who trains, as `fit` asks for it; the process alone when nothing is parallel.
 *
 * Throws   parallel/replicas for ways of working that exclude each other.
 */
export function workersFor(how: ParallelOptions): Workers {
  const { devices, collective = alone(), stages, micro, shardUpdate, tensor: over } = how;
  const replicas = replicasOf(how);
  if (how.replicas === undefined && !devices && collective.size === 1 && stages === undefined) return automatic();
  if (replicas === 1 && !devices && collective.size === 1 && stages === undefined) return aloneWorkers;
  if (stages !== undefined && (replicas > 1 || devices)) {
    throw new PareError('parallel/replicas', 'A pipeline has no replicas inside one process.', {
      expected: 'stages, or replicas and their devices',
      got: `${stages} stages, ${replicas} replicas`,
      hint: 'start it on stages × replicas ranks instead',
    });
  }
  const isFirst = collective.rank === 0;
  return {
    isFirst,
    replicas: () => replicas,
    tell: (work) => tell(collective, work),
    open: (model, data, options, lab) =>
      stages === undefined
        ? openParallelTrainer(
            model,
            data,
            {
              ...options,
              replicas,
              collective,
              ...(devices && { devices }),
              ...(shardUpdate && { shardUpdate }),
              ...(over && { tensor: over }),
            },
            lab,
          )
        : openPipelineTrainer(model, data, { ...options, collective, stages, ...(micro && { micro }) }, lab),
    score: (trainer, ...rest) => scoreTogether(trainer, collective, ...rest),
  };
}

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
      replicas = await replicasFor(model, data, options, lab);
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
  { replicas, devices, collective, stages, micro, shardUpdate, tensor: over, ...options }: ParallelFitOptions,
  lab: Lab,
): Promise<{ model: Model; report: ParallelFitReport }> {
  const how: ParallelOptions = {
    ...(replicas !== undefined && { replicas }),
    ...(devices && { devices }),
    ...(collective && { collective }),
    ...(stages !== undefined && { stages }),
    ...(micro !== undefined && { micro }),
    ...(shardUpdate && { shardUpdate }),
    ...(over !== undefined && { tensor: over }),
  };
  const workers = workersFor(how);
  const { onProgress: _, onNote: __, ...quiet } = lab;
  const { model: trained, report } = await fit(model, data, { ...options, workers }, workers.isFirst ? lab : quiet);
  const ranks = collective?.size ?? 1;
  const copies = stages === undefined ? (workers.replicas?.() ?? 1) * ranks : Math.max(1, ranks / stages);
  return { model: trained, report: { ...report, replicas: copies, stages: stages ?? 1, ranks } };
}
