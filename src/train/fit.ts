/** The loop: batches in, weights out, and nothing lost on the way. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import type { Dataset } from '../data/dataset.ts';
import { bind, portsOf } from '../data/port.ts';
import type { Model } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { openMaps } from '../nn/open-maps.ts';
import type { Lab } from '../runtime/index.ts';
import {
  type Checkpoint,
  type CheckpointOptions,
  checkpointPath,
  type EpochReport,
  loadCheckpoint,
} from './checkpoint.ts';
import { type ChoiceOptions, chooseOptimizer, chosenBefore } from './choose/optimizer.ts';
import { identityOf } from './identity.ts';
import type { TrainLog } from './log/log.ts';
import { lossFor } from './loss/index.ts';
import type { Loss } from './loss/loss.ts';
import { withMasters } from './masters.ts';
import { metricFor } from './metric/index.ts';
import type { Metric } from './metric/metric.ts';
import { adam } from './optim/adam.ts';
import { clipByNorm } from './optim/clip.ts';
import { type OptimizerName, optimizers } from './optim/index.ts';
import { chain, type Optimizer } from './optim/transform.ts';
import { startRun } from './run.ts';
import type { Plateau } from './schedule/plateau.ts';
import { type GroupOptions, groupsOf, matcher, type NamePattern } from './select.ts';
import { openStatistics } from './statistics.ts';
import { alone, type RunArrays, type Workers } from './workers.ts';

export type { EpochReport } from './checkpoint.ts';

export interface FitOptions {
  /** Passes over the data. Default 5. */
  epochs?: number;
  /** Samples per run. Default 64, or all when there are fewer. */
  batch?: number;
  /** Runs whose mean gradient makes one update: a batch of batch × accumulate samples in the memory of one. Default 1. */
  accumulate?: number;
  /** Default: cross-entropy for classes, mean squared error for numbers. */
  loss?: Loss;
  /**
   * Default Adam with its defaults. Schedules belong to it: `adam({ lr: cosine(1e-3, steps) })`. A function is told the number of
   * updates. `'auto'` races several on a part of the data (see `race`).
   */
  optimizer?: Optimizer | ((updates: number) => Optimizer) | OptimizerName | 'auto';
  /** How `'auto'` chooses. */
  race?: ChoiceOptions;
  /** The gradient, as one vector, is no longer than this. Default: no limit. */
  clipNorm?: number;
  /** Lets the learning rate answer to the validation metric, or to the loss where there is no validation set. */
  plateau?: Plateau;
  /** Scored after every epoch; the weights of the best epoch are kept. */
  validation?: Dataset;
  /** Scored before the first update, and with the weights that are kept: by those who train, where nobody else holds the model whole. */
  test?: Dataset;
  /** Stop after this many epochs without a better validation metric. Default: never. */
  patience?: number;
  /** Which weights learn. Default: all. */
  learns?: (name: string) => boolean;
  /** Weights that stay as they are, by pattern: `['conv1.*', /bias$/]`. */
  freeze?: NamePattern | readonly NamePattern[];
  /** Weights with another learning rate or decay; the first group whose pattern fits counts. */
  groups?: readonly GroupOptions[];
  /**
   * Saves memory: activations between checkpoints are worked out again for the slopes, at the price of up to a second forward pass.
   * The result is the same. Default false.
   */
  recompute?: boolean;
  /**
   * Weights, slopes and the optimiser's state stay where the engine works, and the update is part of the step's graph. Default: where the
   * native engine's device is not the processor. On the processor kernels that update in place are faster.
   */
  resident?: boolean;
  /** Default: accuracy for classes, R² for numbers. */
  metric?: Metric;
  /** Where the run is kept, so that it can go on after anything. */
  checkpoint?: CheckpointOptions;
  /** Go on from the checkpoint, if there is one. Default false: a checkpoint of an unfinished run is then an error. */
  resume?: boolean;
  /** Told after every epoch; awaited. */
  onEpoch?: (report: EpochReport) => void | Promise<void>;
  /** Written as the run goes: `jsonlLog('run/metrics.jsonl')`, `tensorBoardLog('run/tb')`. */
  logs?: readonly TrainLog[];
  /** Who makes the updates. Default: this process alone. */
  workers?: Workers;
}

export interface FitReport {
  readonly epochs: readonly EpochReport[];
  /** The epoch whose weights were kept, from 0. */
  readonly kept: number;
  readonly seconds: number;
  /** How good the model was on `test`, and is. */
  readonly test?: { readonly name: string; readonly before: number; readonly after: number };
  /** Where `optimizer` was 'auto': what was chosen, and why. */
  readonly choice?: string;
}

/**
 * Trains a model on a data set.
 *
 * The data set's columns are named like the model's inputs; `labels` holds the targets. A last batch that is not full is left out
 * (the order changes every epoch, so no sample is left out for good). With `checkpoint`, a run that was stopped or killed at any
 * moment goes on with `resume: true` and ends in the same bytes as one that was not. Weights that are stored in 16 bits or as integers
 * learn through float32 masters, and go back into the type and onto the grid that they had.
 *
 * Throws   train/diverged when the loss is no longer a number, with the layer where it began; work/aborted when the signal fires
 *          (the checkpoint is then written); train/exists for a folder with an unfinished run; train/resume for another run's
 *          checkpoint; and what `stepGraph` throws.
 */
export async function fit(
  given: Model,
  samples: Dataset,
  options: FitOptions,
  { among: _, ...lab }: Lab, // who shares a training is for `workers` to say
): Promise<{ model: Model; report: FitReport }> {
  const { model: open, close } = openMaps(given);
  const { model, settle } = withMasters(open);
  const asFed = (set: Dataset): Dataset => (model === open ? set : bind(set, portsOf(model.graph)));
  const data = asFed(samples);
  const { epochs = 5, validation, checkpoint, logs = [], patience = Number.POSITIVE_INFINITY, plateau } = options;
  const { workers = alone } = options;
  const kept = checkpoint && (await keptBefore(checkpoint, workers));
  const isFinished = kept && (kept.position.isOver || kept.position.epoch >= epochs);
  if (kept && !options.resume && !isFinished) throw unfinished(checkpoint.folder, kept);
  const saved = options.resume ? kept : undefined;
  const { make, choice } = await optimizerOf(model, data, options, saved, lab);
  const how = trainerOptions(options);
  using trainer = await workers.open(model, data, { ...how, optimizer: (updates) => make(epochs * updates) }, lab);
  const metric = options.metric ?? metricFor(data.task);
  using score = validation && (await workers.score(trainer, model, asFed(validation), { metric }, lab));
  using test = options.test && (await workers.score(trainer, model, asFed(options.test), { metric }, lab));
  const before = await test?.run();
  using statistics = trainer.agreement ? undefined : await openStatistics(trainer, data, lab);
  const { batch, accumulate, updatesPerEpoch } = trainer;
  const identity =
    checkpoint &&
    (await identityOf(
      model,
      data,
      {
        loss: lossFor(data.task),
        ...how,
        batch,
        accumulate,
        updatesPerEpoch,
        optimizer: make(epochs * updatesPerEpoch),
      },
      lab,
    ));
  const run = startRun(trainer, { identity, epochs, patience, plateau, checkpoint, logs, choice, workers }, lab);
  if (saved) await run.restore(saved);
  for (const log of logs) await log.start?.(run.updates());

  while (!run.isOver()) {
    await run.epoch();
    trainer.running.evaluation();
    let putBack = (): void => {};
    let value: number | undefined;
    try {
      putBack = (await statistics?.settle()) ?? putBack;
      value = await score?.run();
    } catch (thrown) {
      putBack();
      trainer.running.training();
      throw thrown instanceof PareError && thrown.code === 'work/aborted' ? await run.stop(thrown) : thrown;
    }
    const report = await run.close(
      value === undefined ? undefined : { name: metric.name, value, better: metric.better },
    );
    putBack();
    trainer.running.training();
    for (const log of logs) await log.epoch?.(run.updates(), report);
    await run.settle();
    await options.onEpoch?.(report);
  }
  for (const log of logs) await log.end?.();
  if (test) run.keep();
  const after = await test?.run();
  const { position, best } = await run.result();
  return {
    model: close(settle(withWeights(model, best))),
    report: {
      epochs: position.epochs,
      kept: position.best!.epoch,
      seconds: position.seconds,
      ...(before !== undefined && after !== undefined && { test: { name: metric.name, before, after } }),
      ...(choice && { choice: choice.why }),
    },
  };
}

/** The folder's checkpoint as the first process reads it; the arrays stay there. */
async function keptBefore({ folder }: CheckpointOptions, { tell }: Workers): Promise<Checkpoint | undefined> {
  let arrays: RunArrays = new Map();
  const position = await tell(async () => {
    const found = await loadCheckpoint(folder);
    arrays = found?.arrays ?? arrays;
    return found && { identity: found.identity, position: found.position };
  });
  return position && { ...position, arrays };
}

const unfinished = (folder: string, { position: { epoch, step } }: Checkpoint): PareError =>
  new PareError(
    'train/exists',
    `"${folder}" holds a run that has not ended: it rests in epoch ${epoch + 1}, step ${step}.`,
    {
      where: checkpointPath(folder),
      hint: 'resume: true goes on with it; to begin anew, remove it or take another folder',
    },
  );

/** What trainer and race need of the options. */
const trainerOptions = (options: FitOptions) => {
  const { batch, accumulate, loss, learns = () => true, freeze, groups = [], recompute, resident } = options;
  const isFrozen = freeze === undefined ? () => false : matcher(freeze);
  return {
    ...(batch && { batch }),
    ...(accumulate && { accumulate }),
    ...(loss && { loss }),
    ...(recompute && { recompute }),
    ...(resident !== undefined && { resident }),
    learns: (name: string) => learns(name) && !isFrozen(name),
    groups: groupsOf(groups),
  };
};

/** The model with other values for some weights. */
export function withWeights(model: Model, weights: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map([...model.graph.initializers].map(([name, old]) => [name, weights.get(name) ?? old]));
  return { ...model, graph: { ...model.graph, initializers } };
}

/** The optimiser that the options ask for, as a function of the number of updates; a race's verdict is kept when a run goes on. */
async function optimizerOf(
  model: Model,
  data: Dataset,
  options: FitOptions,
  saved: Checkpoint | undefined,
  lab: Lab,
): Promise<{ make: (updates: number) => Optimizer; choice?: { name: string; why: string } }> {
  const { optimizer = adam(), clipNorm, race } = options;
  const clipped = (inner: Optimizer): Optimizer =>
    clipNorm === undefined ? inner : chain(clipByNorm(clipNorm), inner);
  if (optimizer === 'auto') {
    const before = saved?.position.choice;
    const { workers = alone } = options;
    const raced = async (): Promise<{ name: string; why: string }> => {
      const { name, why } = await chooseOptimizer(model, data, { ...race, ...trainerOptions(options) }, lab);
      return { name, why };
    };
    const chosen = chosenBefore(before ?? (await workers.tell(raced)), race);
    lab.onNote?.(chosen.why);
    return { make: (updates) => clipped(chosen.optimizer(updates)), choice: { name: chosen.name, why: chosen.why } };
  }
  if (typeof optimizer === 'string') return { make: () => clipped(pick(optimizers, optimizer, 'optimizer')()) };
  return { make: (updates) => clipped(typeof optimizer === 'function' ? optimizer(updates) : optimizer) };
}
