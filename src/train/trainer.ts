/** A model, its data and its optimiser, ready to take steps: what the loop, the race and the range test share. */

import { PareError } from '../base/error.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { copyFloats, type Tensor, tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import { batchFor } from './batch-size.ts';
import { diagnose } from './diagnose.ts';
import { lossFor } from './loss/index.ts';
import type { Loss } from './loss/loss.ts';
import { type MoverRun, openInMemory, SUM } from './mover.ts';
import { type Arena, createArena } from './optim/arena.ts';
import type { ParameterGroup } from './optim/execute.ts';
import type { RunningOptimizer } from './optim/running.ts';
import type { Optimizer } from './optim/transform.ts';
import { type StepGraph, stepGraph } from './program.ts';
import { openResident } from './resident/mover.ts';
import { withSettings } from './settings.ts';
import type { Agreement } from './workers.ts';

export interface TrainerOptions {
  /** Samples per run of the graph. Default: 64, or all when there are fewer. See `batchFor` for models that insist on a number. */
  readonly batch?: number;
  /** Runs whose mean gradient makes one update. Default 1. */
  readonly accumulate?: number;
  /** Default: cross-entropy for classes, mean squared error for numbers. */
  readonly loss?: Loss;
  readonly learns?: (name: string) => boolean;
  readonly groups?: readonly ParameterGroup[];
  /** Works parts of the forward pass out a second time for the slopes, to save memory. Default false. */
  readonly recompute?: boolean;
  /**
   * Keeps weights, slopes and the optimiser's state where the engine works: the update is part of the step's graph. Default: where that
   * is another device than the processor, and the engine has a hold of its memory (WASM has not).
   */
  readonly resident?: boolean;
  /** Told the updates of an epoch. */
  readonly optimizer: (updatesPerEpoch: number) => Optimizer;
}

export interface Trainer extends Disposable {
  readonly step: StepGraph;
  readonly arena: Arena;
  readonly running: RunningOptimizer;
  readonly optimizer: Optimizer;
  readonly batch: number;
  readonly accumulate: number;
  readonly updatesPerEpoch: number;
  /** Frozen weights and running statistics, by name, where the engine reads them. */
  readonly held: ReadonlyMap<string, Tensor>;
  /** All weights as they are now: memory, not copies. Where processes hold parts, the part of this one. */
  weights(): Map<string, Tensor>;
  /** Where weights and state lie on a device: brings them into memory. `updates` does so with the weights at its end. */
  rest?(): Promise<void>;
  /** Where several processes make the updates. */
  readonly agreement?: Agreement;
  /**
   * Makes the updates `from` … `to` − 1 of an epoch and yields the loss of each: a pure function of weights, seed and epoch.
   *
   * Throws   train/diverged, before the update, when a loss is no longer a number; it names the layer.
   */
  updates(epoch: number, range?: UpdateRange): AsyncGenerator<number, void, void>;
}

export interface UpdateRange {
  /** Default 0. */
  readonly from?: number;
  /** Default: all. */
  readonly to?: number;
  /** Learning rate in place of the optimiser's own. */
  readonly lr?: (update: number) => number | undefined;
}

/** Lays out memory, builds the step and loads it. Throws what `stepGraph` does, and train/accumulate. */
export async function openTrainer(model: Model, data: Dataset, options: TrainerOptions, lab: Lab): Promise<Trainer> {
  const { learns, groups = [] } = options;
  const { batch, accumulate } = await batchFor(model, data, options, lab);
  const updatesPerEpoch = batchCount(data.size, { batch: batch * accumulate, dropLast: true });
  if (!(Number.isInteger(accumulate) && accumulate > 0) || updatesPerEpoch === 0) {
    throw new PareError('train/accumulate', `${data.size} samples do not make one update.`, {
      expected: 'a whole number of runs per update, and samples for all of them',
      got: `${accumulate} runs of ${batch} samples`,
    });
  }
  const loss = options.loss ?? lossFor(data.task);
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const step = stepGraph(
    withSettings(model, data),
    { loss, batch, samples, ...(learns && { learns }), ...(options.recompute && { recompute: true }) },
    lab.engine,
  );
  const optimizer = options.optimizer(updatesPerEpoch);
  if (accumulate > 1 && optimizer.links.some((link) => link.probe)) {
    throw new PareError(
      'train/accumulate',
      'An optimiser that asks for two gradients a step takes no accumulated ones.',
      {
        where: optimizer.name,
        hint: 'use larger batches instead of accumulate',
      },
    );
  }
  const arena = createArena(step.parameters, { slots: [...optimizer.slots, ...(accumulate > 1 ? [SUM] : [])] });
  for (const { name } of step.parameters) copyFloats(step.form.weights.get(name)!, arena.view('w', name));
  const { resident = lab.engine.name === 'native' && lab.engine.device !== 'cpu' } = options;
  const start = (onRestore?: () => void): RunningOptimizer =>
    optimizer.start(arena, { groups, lab, ...(onRestore && { onRestore }) });
  const { mover, running } = resident
    ? await openResident({ step, arena, accumulate, start, groups }, lab)
    : await openInMemory({ step, arena, accumulate, start }, lab);
  const isAveraged = optimizer.links.some(({ evaluate }) => evaluate);

  const weights = (): Map<string, Tensor> =>
    new Map([
      ...mover.held,
      ...step.parameters.map(
        ({ name }) => [name, tensor('float32', step.form.weights.get(name)!.dims, arena.view('w', name))] as const,
      ),
    ]);

  async function* updates(
    epoch: number,
    { from = 0, to = updatesPerEpoch, lr }: UpdateRange = {},
  ): AsyncGenerator<number, void, void> {
    const source = data.atEpoch?.(epoch) ?? data;
    const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })];
    const end = to * accumulate;
    const fill = (i: number): void => {
      if (i >= end) return;
      for (const name of step.columns.keys()) source.fill(name, lists[i]!, mover.feeds[(i % 2) as 0 | 1][name]!);
    };
    const prepare = (i: number): Promise<void> | undefined => (i < end ? source.prepare?.(lists[i]!) : undefined);
    await mover.begin();
    const first = from * accumulate;
    await prepare(first);
    fill(first);
    let ready = prepare(first + 1);
    try {
      for (let update = from; update < to; update++) {
        let mean = 0;
        for (let micro = 0; micro < accumulate; micro++) {
          const i = update * accumulate + micro;
          const run: MoverRun = {
            which: (i % 2) as 0 | 1,
            micro,
            isLast: micro === accumulate - 1,
            number: epoch * updatesPerEpoch * accumulate + i + 1,
            lr: lr?.(update),
          };
          await ready;
          ready = prepare(i + 2);
          const one = await mover.run(run, () => fill(i + 1));
          if (!Number.isFinite(one)) {
            await mover.rest(false);
            const place = { epoch, update, samples: lists[i]!, step: run.number };
            const scene = { model, loss, batch, step, arena, weights: weights(), feeds: mover.feeds[run.which] };
            throw await diagnose(scene, place, lab);
          }
          mean += one / accumulate;
          await mover.move(run);
        }
        yield mean;
      }
    } finally {
      await mover.rest(isAveraged);
    }
  }

  return {
    step,
    arena,
    running,
    optimizer,
    batch,
    accumulate,
    updatesPerEpoch,
    held: mover.held,
    weights,
    updates,
    rest: () => mover.rest(true),
    [Symbol.dispose]: () => mover[Symbol.dispose](),
  };
}
