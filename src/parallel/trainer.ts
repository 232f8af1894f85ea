/** A trainer whose every update is the work of several replicas and ranks; whoever holds it need not know. */

import { PareError } from '../base/error.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { feedsOf, type Model, tensorType } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { crossEntropy, type Loss, meanSquaredError, type Optimizer, type ParameterGroup } from '../train/index.ts';
import type { Trainer } from '../train/trainer.ts';
import { alone } from './alone.ts';
import type { Collective } from './collective.ts';
import { createCrew } from './crew.ts';

export interface ParallelTrainerOptions {
  /** Samples per update, of all replicas of all ranks together. Default: what the model insists on, else 64, or all when there are fewer. */
  readonly batch?: number;
  /** Default: cross-entropy for classes, mean squared error for numbers. */
  readonly loss?: Loss;
  readonly learns?: (name: string) => boolean;
  readonly groups?: readonly ParameterGroup[];
  /** Told the updates of an epoch. */
  readonly optimizer: (updatesPerEpoch: number) => Optimizer;
  /** Replicas in this process. Default 1. */
  readonly replicas?: number;
  /** The group that this process belongs to. Default: none. */
  readonly collective?: Collective;
}

/**
 * The parallel counterpart of `openTrainer`: same batches in the same order, same losses to about 1e-5.
 *
 * Throws   parallel/replicas; train/batch when there are too few samples for one update; what `stepGraph` throws.
 *          While it works: train/diverged, and work/aborted on all ranks when the signal of any fires.
 */
export async function openParallelTrainer(
  model: Model,
  data: Dataset,
  options: ParallelTrainerOptions,
  lab: Lab,
): Promise<Trainer> {
  const { replicas = 1, collective = alone(), learns, groups = [] } = options;
  const batch = Math.min(options.batch ?? fixedBatch(model) ?? 64, data.size);
  const updatesPerEpoch = batchCount(data.size, { batch, dropLast: true });
  const crew = await createCrew(
    withOpenBatch(model),
    {
      batch,
      replicas,
      collective,
      loss: options.loss ?? (data.task === 'regression' ? meanSquaredError() : crossEntropy()),
      samples: Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims])),
      optimizer: options.optimizer(updatesPerEpoch),
      ...(learns && { learns }),
    },
    lab,
  );
  const { arena, step, optimizer } = crew;
  const running = optimizer.start(arena, { groups });

  async function* updates(
    epoch: number,
    { from = 0, to = updatesPerEpoch, lr }: Parameters<Trainer['updates']>[1] = {},
  ): AsyncGenerator<number, void, void> {
    const source = data.atEpoch?.(epoch) ?? data;
    const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })];
    const fill = (i: number): void => {
      if (i < to) crew.fill(source, lists[i]!, (i % 2) as 0 | 1);
    };
    fill(from);
    let isPaused = false;
    try {
      for (let i = from; i < to; i++) {
        const set = (i % 2) as 0 | 1;
        crew.setStep(epoch * updatesPerEpoch + i + 1);
        await crew.run(set, () => fill(i + 1));
        if (!Number.isFinite(crew.loss())) throw diverged(epoch, i, crew.loss());
        if (running.probe()) await crew.run(set);
        crew.flow();
        const rate = lr?.(i);
        running.step(rate === undefined ? {} : { lr: rate });
        if (i === to - 1) await crew.settle();
        isPaused = i < to - 1;
        yield crew.loss();
        isPaused = false;
      }
    } finally {
      // Left in the middle, by all ranks alike: the statistics are read next.
      if (isPaused) await crew.settle();
    }
  }

  return {
    step,
    arena,
    running,
    optimizer,
    batch,
    accumulate: 1,
    updatesPerEpoch,
    held: crew.held,
    weights: crew.weights,
    updates,
    [Symbol.dispose]: () => crew[Symbol.dispose](),
  };
}

/** The batch size a model insists on, if it does. */
export function fixedBatch(model: Model): number | undefined {
  const dim = tensorType(feedsOf(model.graph)[0])?.dims?.[0];
  return typeof dim === 'number' ? dim : undefined;
}

/** The model for batches of any size: each replica runs a part of one. (Shapes written into its nodes stay.) */
export function withOpenBatch(model: Model): Model {
  if (fixedBatch(model) === undefined) return model;
  const inputs = model.graph.inputs.map((info) => {
    if (model.graph.initializers.has(info.name) || info.type?.kind !== 'tensor' || !info.type.dims) return info;
    return { ...info, type: { ...info.type, dims: ['N', ...info.type.dims.slice(1)] } };
  });
  return { ...model, graph: { ...model.graph, inputs, values: new Map() } };
}

/** The error for a loss that is no number. */
export const diverged = (epoch: number, step: number, loss: number): PareError =>
  new PareError('train/diverged', `The loss became ${loss} in epoch ${epoch + 1}, step ${step + 1}.`, {
    expected: 'a finite number',
    got: `${loss}`,
    hint: 'a smaller learning rate, gradient clipping, or inputs scaled to about ±1',
  });
