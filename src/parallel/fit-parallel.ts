/** The training loop over replicas and ranks: the same batches, in the same order, as `fit` would see them. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import {
  adam,
  type Loss,
  type Metric,
  metricFor,
  type Optimizer,
  type OptimizerName,
  optimizers,
  scorer,
  withWeights,
} from '../train/index.ts';
import type { Trainer } from '../train/trainer.ts';
import { alone } from './alone.ts';
import type { Collective } from './collective.ts';
import { openPipelineTrainer } from './pipeline/trainer.ts';
import { openParallelTrainer, type ParallelTrainerOptions } from './trainer.ts';

export interface FitParallelOptions {
  /** Replicas in this process. Default 1. */
  replicas?: number;
  /** The group that this process belongs to (`join`, `asRank`). Default: none. */
  collective?: Collective;
  /** Cut the model into this many stages that work at the same time, instead of copying it. Under MPI: one for each rank. */
  stages?: number;
  /** Micro-batches of a pipelined step. Default: about 4 for each stage. */
  micro?: number;
  /** Passes over the data. Default 5. */
  epochs?: number;
  /** Samples per update, of all replicas of all ranks together. Default 64, or all when there are fewer. */
  batch?: number;
  /** Default: cross-entropy for classes, mean squared error for numbers. */
  loss?: Loss;
  /** Default Adam with its defaults. A function is told the number of updates. */
  optimizer?: Optimizer | ((updates: number) => Optimizer) | OptimizerName;
  /** Scored after every epoch, by the first rank; the weights of the best epoch are kept. */
  validation?: Dataset;
  /** Stop after this many epochs without a better validation metric. Default: never. */
  patience?: number;
  /** Which weights learn. Default: all. */
  learns?: (name: string) => boolean;
  /** Default: accuracy for classes, R² for numbers. */
  metric?: Metric;
  /** Told the loss of every update, from 0. */
  onStep?: (step: number, loss: number) => void;
}

export interface ParallelEpoch {
  readonly epoch: number;
  /** Mean over the epoch's updates. */
  readonly loss: number;
  readonly metric?: { readonly name: string; readonly value: number };
  readonly samplesPerSecond: number;
}

export interface FitParallelReport {
  readonly epochs: readonly ParallelEpoch[];
  /** The epoch whose weights were kept, from 0. */
  readonly kept: number;
  readonly seconds: number;
  /** Replicas that took part, of all ranks together (1 for a pipeline). */
  readonly replicas: number;
  /** Parts of the model that worked at the same time. */
  readonly stages: number;
  readonly ranks: number;
}

/** How long JavaScript may be kept from its other work. */
const BREATH_MS = 40;

/**
 * Trains a model on several replicas: each takes its share of every batch, the slopes are averaged, one update is made.
 *
 * `batch` counts the samples of all replicas together, so the loss of each step is that of `fit` with the same options and
 * seed, to about 1e-5 (other sums round otherwise). It differs with BatchNorm (each replica normalises its own share; the
 * running statistics are averaged), with dropout (each replica draws its own mask), and with a loss whose mean is weighted
 * by class. Every rank calls it with the same model, data and options, and gets the same weights.
 *
 * Throws   what `fit` throws; parallel/replicas when a batch is smaller than the number of replicas; and, on all ranks,
 *          work/aborted when the signal of any rank fires.
 *
 * @example
 * const { model: trained } = await fitParallel(model, data, { replicas: 2, epochs: 3 }, { engine });
 */
export async function fitParallel(
  model: Model,
  data: Dataset,
  options: FitParallelOptions,
  lab: Lab,
): Promise<{ model: Model; report: FitParallelReport }> {
  const { epochs = 5, validation, patience = Number.POSITIVE_INFINITY, onStep, optimizer = adam() } = options;
  const { collective = alone(), replicas = 1, batch, loss, learns } = options;
  const isFirst = collective.rank === 0;
  const { stages, micro } = options;
  if (stages !== undefined && replicas > 1) {
    throw new PareError('parallel/replicas', 'A pipeline has no replicas yet.', {
      expected: 'stages or replicas',
      got: `${stages} stages, ${replicas} replicas`,
    });
  }
  const open = (how: ParallelTrainerOptions): Promise<Trainer> =>
    stages === undefined
      ? openParallelTrainer(model, data, { ...how, replicas }, lab)
      : openPipelineTrainer(model, data, { ...how, stages, ...(micro && { micro }) }, lab);
  using trainer = await open({
    collective,
    optimizer: (updates) => {
      if (typeof optimizer === 'string') return optimizers[optimizer]();
      return typeof optimizer === 'function' ? optimizer(epochs * updates) : optimizer;
    },
    ...(batch && { batch }),
    ...(loss && { loss }),
    ...(learns && { learns }),
  });
  const { running, updatesPerEpoch } = trainer;
  const metric = options.metric ?? metricFor(data.task);
  using score = validation && isFirst ? await scorer(model, validation, trainer.weights(), { metric }, lab) : undefined;

  const reports: ParallelEpoch[] = [];
  const started = performance.now();
  let best: { value: number; epoch: number; weights: Map<string, Tensor> } | undefined;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const begun = performance.now();
    let breath = begun;
    let sum = 0;
    let done = 0;
    const speed = (): number => (done * trainer.batch * 1000) / (performance.now() - begun);
    for await (const one of trainer.updates(epoch)) {
      onStep?.(epoch * updatesPerEpoch + done, one);
      sum += one;
      done += 1;
      if (performance.now() - breath < BREATH_MS) continue;
      breath = performance.now();
      const figures = { loss: sum / done, samplesPerSecond: speed() };
      const whole = { done: epoch * updatesPerEpoch + done, total: epochs * updatesPerEpoch };
      if (isFirst) lab.onProgress?.({ task: 'train', ...whole, figures });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const samplesPerSecond = speed();
    running.evaluation();
    const value = validation && (await told(collective, await score?.run()));
    const scored = value !== undefined && { metric: { name: metric.name, value } };
    reports.push({ epoch, loss: sum / done, ...scored, samplesPerSecond });
    if (value === undefined || best === undefined || value > best.value)
      best = { value: value ?? 0, epoch, weights: snapshot(trainer.weights()) };
    running.training();
    if (epoch - best.epoch >= patience) break;
  }
  const seconds = (performance.now() - started) / 1000;
  const { size } = collective;
  return {
    model: best ? withWeights(model, best.weights) : model,
    report: {
      epochs: reports,
      kept: best?.epoch ?? 0,
      seconds,
      replicas: stages === undefined ? replicas * size : 1,
      stages: stages ?? 1,
      ranks: size,
    },
  };
}

/** The first rank's number, on all ranks. */
async function told(collective: Collective, value: number | undefined): Promise<number> {
  const message = Float32Array.of(value ?? 0);
  if (collective.size === 1) return value ?? 0;
  await collective.broadcast(message);
  return message[0]!;
}

const snapshot = (weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...weights].map(([name, t]) => [name, { ...t, bytes: t.bytes.slice() }]));
