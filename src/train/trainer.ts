/** A model, its data and its optimiser, ready to take steps: what the loop, the race and the range test share. */

import { PareError } from '../base/error.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { copyFloats, type Tensor, tensor } from '../graph/tensor.ts';
import type { Binding, Lab } from '../runtime/index.ts';
import { batchFor } from './batch-size.ts';
import { diagnose } from './diagnose.ts';
import { lossFor } from './loss/index.ts';
import type { Loss } from './loss/loss.ts';
import { type Arena, createArena } from './optim/arena.ts';
import type { ParameterGroup } from './optim/execute.ts';
import type { RunningOptimizer } from './optim/running.ts';
import { mapSegments } from './optim/segment.ts';
import type { Optimizer } from './optim/transform.ts';
import { bindStep, type StepGraph, stepGraph } from './program.ts';
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

/** The accumulated gradient's segment. */
const SUM = 'accumulated';
/** Runs shorter than this are made on JavaScript's thread: handing them to another costs more than it saves. */
const SHORT_MS = 2;

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
    model,
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
  const program = await bindStep(step, arena, lab);
  const running = optimizer.start(arena, { groups, lab });
  const gather = accumulate > 1 ? gathering(arena, accumulate) : undefined;

  const weights = (): Map<string, Tensor> =>
    new Map([
      ...program.held,
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
      for (const name of step.columns.keys()) source.fill(name, lists[i]!, program.feeds[(i % 2) as 0 | 1][name]!);
    };
    const prepare = (i: number): Promise<void> | undefined => (i < end ? source.prepare?.(lists[i]!) : undefined);
    let isShort = false;
    const first = from * accumulate;
    await prepare(first);
    fill(first);
    let ready = prepare(first + 1);
    for (let update = from; update < to; update++) {
      let mean = 0;
      for (let micro = 0; micro < accumulate; micro++) {
        const i = update * accumulate + micro;
        const which = (i % 2) as 0 | 1;
        const number = epoch * updatesPerEpoch * accumulate + i + 1;
        program.setStep(number);
        await ready;
        ready = prepare(i + 2);
        const before = performance.now();
        await turn(program.runs[which], isShort, () => fill(i + 1));
        isShort = performance.now() - before < SHORT_MS;
        const one = program.loss();
        if (!Number.isFinite(one)) {
          const place = { epoch, update, samples: lists[i]!, step: number };
          throw await diagnose(
            { model, loss, batch, step, arena, weights: weights(), feeds: program.feeds[which] },
            place,
            lab,
          );
        }
        mean += one / accumulate;
        if (!gather && running.probe()) await turn(program.runs[which], isShort);
        program.flow();
        gather?.(micro);
      }
      const rate = lr?.(update);
      await running.step(rate === undefined ? {} : { lr: rate });
      yield mean;
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
    held: program.held,
    weights,
    updates,
    [Symbol.dispose]: () => program[Symbol.dispose](),
  };
}

/** Adds up the gradients of an update's runs; the last call leaves their mean in `g`. */
function gathering(arena: Arena, runs: number): (micro: number) => void {
  const first = mapSegments(arena, (e) => ({ [SUM]: e.mul(1 / runs, e.slot('g')) }));
  const next = mapSegments(arena, (e) => ({ [SUM]: e.add(e.slot(SUM), e.mul(1 / runs, e.slot('g'))) }));
  const last = mapSegments(arena, (e) => ({ g: e.add(e.slot(SUM), e.mul(1 / runs, e.slot('g'))) }));
  return (micro) => (micro === 0 ? first : micro < runs - 1 ? next : last)();
}

/** One run; whatever `meanwhile` does happens while the engine works, if the run is long enough to be worth it. */
async function turn(binding: Binding, isShort: boolean, meanwhile?: () => void): Promise<void> {
  if (isShort && binding.runSync) {
    binding.runSync();
    meanwhile?.();
    return;
  }
  const run = binding.run();
  meanwhile?.();
  await run;
}
