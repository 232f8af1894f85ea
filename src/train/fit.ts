/** The loop: batches in, weights out. One door is one call wide: run, then update. */

import { PareError } from '../base/error.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { floats, type Tensor, tensor } from '../graph/tensor.ts';
import type { Binding, Lab } from '../runtime/index.ts';
import { stopIfAborted } from '../runtime/index.ts';
import { crossEntropy } from './loss/cross-entropy.ts';
import type { Loss } from './loss/loss.ts';
import { meanSquaredError } from './loss/mean-squared-error.ts';
import { metricFor } from './metric/index.ts';
import type { Metric } from './metric/metric.ts';
import { adam } from './optim/adam.ts';
import { createArena } from './optim/arena.ts';
import type { Optimizer } from './optim/transform.ts';
import { bindStep, type Program, type StepGraph, stepGraph } from './program.ts';
import { scorer } from './score.ts';

export interface FitOptions {
  /** Passes over the data. Default 5. */
  epochs?: number;
  /** Samples per step. Default 64, or all when there are fewer. */
  batch?: number;
  /** Default: cross-entropy for classes, mean squared error for numbers. */
  loss?: Loss;
  /** Default Adam with its defaults. Schedules belong to it: `adam({ lr: cosine(1e-3, steps) })`. A function is told the number of steps. */
  optimizer?: Optimizer | ((steps: number) => Optimizer);
  /** Scored after every epoch; the weights of the best epoch are kept. */
  validation?: Dataset;
  /** Stop after this many epochs without a better validation metric. Default: never. */
  patience?: number;
  /** Which weights learn. Default: all. */
  learns?: (name: string) => boolean;
  /** Default: accuracy for classes, R² for numbers. */
  metric?: Metric;
}

export interface EpochReport {
  readonly epoch: number;
  /** Mean over the epoch's steps. */
  readonly loss: number;
  readonly metric?: { readonly name: string; readonly value: number };
  readonly samplesPerSecond: number;
}

export interface FitReport {
  readonly epochs: readonly EpochReport[];
  /** The epoch whose weights were kept, from 0. */
  readonly kept: number;
  readonly seconds: number;
}

/** Runs shorter than this are made on JavaScript's thread: handing them to another costs more than it saves. */
const SHORT_MS = 2;
/** How long JavaScript may be kept from its other work. */
const BREATH_MS = 40;

/**
 * Trains a model on a data set.
 *
 * The data set's columns are named like the model's inputs; `labels` holds the targets. A last batch that is not full is left out
 * (the order changes every epoch, so no sample is left out for good).
 * Throws   train/diverged when the loss is no longer a number, work/aborted when the signal fires, and what `stepGraph` throws.
 */
export async function fit(
  model: Model,
  data: Dataset,
  options: FitOptions,
  lab: Lab,
): Promise<{ model: Model; report: FitReport }> {
  const { epochs = 5, validation, patience = Number.POSITIVE_INFINITY, learns } = options;
  const batch = Math.min(options.batch ?? fixedBatch(model) ?? 64, data.size);
  const stepsPerEpoch = batchCount(data.size, { batch, dropLast: true });
  const loss = options.loss ?? (data.task === 'regression' ? meanSquaredError() : crossEntropy());
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const step = stepGraph(model, { loss, batch, samples, ...(learns && { learns }) }, lab.engine);
  const made = options.optimizer ?? adam();
  const optimizer = typeof made === 'function' ? made(epochs * stepsPerEpoch) : made;
  const arena = createArena(step.parameters, { slots: optimizer.slots });
  for (const { name } of step.parameters) arena.view('w', name).set(floats(step.form.weights.get(name)!));

  using program = await bindStep(step, arena, lab);
  const current = (): Map<string, Tensor> =>
    new Map([
      ...program.held,
      ...step.parameters.map(
        ({ name }) => [name, tensor('float32', step.form.weights.get(name)!.dims, arena.view('w', name))] as const,
      ),
    ]);
  const metric = options.metric ?? metricFor(data.task);
  using score = validation && (await scorer(model, validation, current(), { metric }, lab));
  const running = optimizer.start(arena);

  const reports: EpochReport[] = [];
  const started = performance.now();
  let best: { value: number; epoch: number; weights: Map<string, Tensor> } | undefined;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const seen = await runEpoch({
      program,
      step,
      data,
      batch,
      epoch,
      stepsPerEpoch,
      epochs,
      update: () => running.step(),
      probe: () => running.probe(),
      lab,
    });
    running.evaluation();
    const value = await score?.run();
    const report: EpochReport = {
      epoch,
      loss: seen.loss,
      ...(value !== undefined && { metric: { name: metric.name, value } }),
      samplesPerSecond: seen.samplesPerSecond,
    };
    reports.push(report);
    if (value === undefined || best === undefined || value > best.value) {
      best = { value: value ?? 0, epoch, weights: snapshot(current()) };
    }
    running.training();
    if (epoch - best.epoch >= patience) break;
  }
  const kept = best!;
  return {
    model: withWeights(model, kept.weights),
    report: { epochs: reports, kept: kept.epoch, seconds: (performance.now() - started) / 1000 },
  };
}

/** The model with other values for some weights. */
export function withWeights(model: Model, weights: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map([...model.graph.initializers].map(([name, old]) => [name, weights.get(name) ?? old]));
  return { ...model, graph: { ...model.graph, initializers } };
}

const snapshot = (weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...weights].map(([name, t]) => [name, { ...t, bytes: t.bytes.slice() }]));

/** The batch size a model insists on, if it does. */
function fixedBatch(model: Model): number | undefined {
  const type = model.graph.inputs.find(({ name }) => !model.graph.initializers.has(name))?.type;
  const dim = type?.kind === 'tensor' ? type.dims?.[0] : undefined;
  return typeof dim === 'number' ? dim : undefined;
}

interface Epoch {
  readonly program: Program;
  readonly step: StepGraph;
  readonly data: Dataset;
  readonly batch: number;
  readonly epoch: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly update: () => void;
  readonly probe: () => boolean;
  readonly lab: Lab;
}

async function runEpoch({
  program,
  step,
  data,
  batch,
  epoch,
  epochs,
  stepsPerEpoch,
  update,
  probe,
  lab,
}: Epoch): Promise<{ loss: number; samplesPerSecond: number }> {
  const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })];
  const fill = (i: number): void => {
    const list = lists[i];
    if (list) for (const name of step.columns.keys()) data.fill(name, list, program.feeds[(i % 2) as 0 | 1][name]!);
  };
  const started = performance.now();
  let sum = 0;
  let breath = started;
  let isShort = false;
  fill(0);
  for (let i = 0; i < lists.length; i++) {
    stopIfAborted(lab.signal);
    program.setStep(epoch * stepsPerEpoch + i + 1);
    const binding = program.runs[(i % 2) as 0 | 1];
    const before = performance.now();
    await turn(binding, isShort, () => fill(i + 1));
    isShort = performance.now() - before < SHORT_MS;
    if (probe()) await turn(binding, isShort);
    program.flow();
    update();
    const loss = program.loss();
    if (!Number.isFinite(loss)) throw diverged(epoch, i, loss);
    sum += loss;
    if (performance.now() - breath > BREATH_MS) {
      breath = performance.now();
      const samplesPerSecond = ((i + 1) * batch * 1000) / (breath - started);
      lab.onProgress?.({
        task: 'train',
        done: epoch * stepsPerEpoch + i + 1,
        total: epochs * stepsPerEpoch,
        figures: { loss: sum / (i + 1), samplesPerSecond },
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { loss: sum / lists.length, samplesPerSecond: (lists.length * batch * 1000) / (performance.now() - started) };
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

const diverged = (epoch: number, step: number, loss: number): PareError =>
  new PareError('train/diverged', `The loss became ${loss} in epoch ${epoch + 1}, step ${step + 1}.`, {
    expected: 'a finite number',
    got: `${loss}`,
    hint: 'a smaller learning rate, gradient clipping, or inputs scaled to about ±1',
  });
