/** How good a model is on a data set: its accuracy and loss, or how often its answer is another model's. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/index.ts';
import { fixedBatch } from '../data/port.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { answerOf, givesChoice } from '../nn/logits.ts';
import { stopIfAborted } from '../runtime/aborted.ts';
import type { Feeds, Session } from '../runtime/engine.ts';
import { inOrder, lanesOf } from '../runtime/in-order.ts';
import type { Lab } from '../runtime/lab.ts';
import { type Places, placesWithin, rowsAt } from '../train/places.ts';
import { placesFor } from '../train/task.ts';
import { asTaken, comfortableBatch, feedsOf, labelsOf } from './feeds.ts';
import { answersOf, lossOf, type Scale, scaleOf } from './scoring.ts';
import { loadSubject, type Subject } from './subject.ts';

export interface Metric {
  /** 'accuracy' and 'agreement' are shares from 0 to 1; 'rmse' is in the units of the target. */
  readonly name: string;
  readonly value: number;
}

export interface EvaluateOptions {
  /** Samples per run. Default: what the model insists on, else what is comfortable. */
  readonly batch?: number;
  /** What the progress is called. Default 'evaluate'. */
  readonly task?: string;
}

export interface Evaluation {
  readonly samples: number;
  readonly metric: Metric;
  /** Mean cross-entropy in nats, or mean squared error for numbers to predict; NaN where the model gives classes without scores. */
  readonly loss: number;
  /** The model's answer to each sample: a class number; −1 where an output is not a number. Empty for regression, and for classes at places. */
  readonly answers: Int32Array;
}

/**
 * Scores the model's first output on labelled samples.
 *
 * Classes: accuracy (first index wins a tie) and cross-entropy; whether the output is logits, probabilities or their
 * logarithms is read off its values. Integers are the class itself. A class for each place: the same over all places but those labelled −100. Numbers: root mean squared error. A model with a fixed batch gets that batch, the
 * last one filled up with repeated samples that are not counted.
 *
 * Shapes   the first output is [N, C], or [N, C, 1, 1]; [N, 1] or [N] for a yes or no
 * Throws   data/unlabelled without labels; data/classes when a label is no class of the model; data/shape when the
 *          output has no row per sample; engine/… from the runs.
 */
export async function evaluate(
  subject: Subject,
  dataset: Dataset,
  lab: Lab,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  if (!dataset.labels) {
    throw new PareError('data/unlabelled', `"${dataset.name}" has no labels to score against.`, {
      where: dataset.name,
      expected: 'labels',
      hint: 'without labels, the agreement with a reference model can be measured',
    });
  }
  const isOnePerSample = dataset.task === 'classification' && dataset.labels.dims.length === 0;
  const isChoice = isOnePerSample && givesChoice(subject.model.graph);
  const answers = new Int32Array(isOnePerSample ? dataset.size : 0);
  let [right, total, lossSum, scale, places] = [
    0,
    0,
    0,
    undefined as Scale | undefined,
    undefined as Places | undefined,
  ];
  let areClasses = isOnePerSample;
  await eachBatch(subject, dataset, lab, options, (outputs, indices) => {
    const targets = numbers(labelsOf(dataset, indices));
    const width = outputs.length / indices.length;
    if (dataset.task !== 'classification' && targets.length === outputs.length) {
      lossSum += targets.reduce((sum, target, i) => sum + (outputs[i]! - target) ** 2, 0) / width;
      total += indices.length;
      return;
    }
    if (!isOnePerSample) {
      places ??= placesFor(subject.model, dataset);
      if (!places) throw misfit(subject, `${targets.length / indices.length}`, width);
      areClasses = true;
    }
    const { rows, labels, count } = places
      ? rowsAt(places, outputs, targets, indices.length)
      : { rows: outputs, labels: targets, count: indices.length };
    const classes = places?.classes ?? width;
    scale ??= scaleOf(rows, classes);
    if (!isChoice) checkLabels(labels, Math.max(2, classes), subject, dataset);
    const own = isChoice ? Int32Array.from(rows) : answersOf(rows, classes, scale);
    if (!places) answers.set(own, indices[0]!);
    own.forEach((answer, i) => {
      if (answer === labels[i]) right += 1;
    });
    total += count;
    lossSum += isChoice ? Number.NaN : lossOf(rows, classes, scale, labels);
  });
  const loss = lossSum / Math.max(1, total);
  const metric: Metric = areClasses
    ? { name: 'accuracy', value: right / Math.max(1, total) }
    : { name: 'rmse', value: Math.sqrt(loss) };
  return { samples: dataset.size, metric, loss, answers };
}

/**
 * The share of samples on which `subject` gives the answer that `reference` gives; where there is an answer at every place of a sequence or a
 * map, the share of places. Needs no labels.
 *
 * Throws   data/shape when the two have different numbers of classes; engine/… from the runs.
 */
export async function agreement(
  subject: Subject,
  reference: Subject,
  dataset: Dataset,
  lab: Lab,
  options: EvaluateOptions = {},
): Promise<{ readonly samples: number; readonly metric: Metric }> {
  const [wanted, own] = [
    await classify(reference, dataset, lab, options),
    await classify(subject, dataset, lab, options),
  ];
  if (wanted.width !== own.width) {
    const sentence = `The first outputs of "${subject.name}" and "${reference.name}" are not equally wide.`;
    throw new PareError('data/shape', sentence, {
      where: subject.name,
      expected: `${wanted.width} numbers per sample`,
      got: `${own.width}`,
    });
  }
  let same = 0;
  own.answers.forEach((answer, i) => {
    if (answer >= 0 && answer === wanted.answers[i]) same += 1;
  });
  return { samples: dataset.size, metric: { name: 'agreement', value: same / own.answers.length } };
}

/** The answers to every sample, one or one for each place, and the numbers of the first output per sample. */
async function classify(
  subject: Subject,
  dataset: Dataset,
  lab: Lab,
  options: EvaluateOptions,
): Promise<{ answers: Int32Array; width: number }> {
  let answers = new Int32Array(dataset.size);
  let width = 0;
  let scale: Scale | undefined;
  const isChoice = givesChoice(subject.model.graph);
  await eachBatch(subject, dataset, lab, options, (outputs, indices, dims) => {
    const count = indices.length;
    width = outputs.length / count;
    const places = isChoice ? undefined : placesWithin(dims);
    const each = places ? sizeOf(places.dims) : 1;
    if (answers.length !== dataset.size * each) answers = new Int32Array(dataset.size * each);
    const rows = places ? rowsAt(places, outputs, new Float32Array(count * each), count).rows : outputs;
    const classes = places?.classes ?? width;
    scale ??= scaleOf(rows, classes);
    const own = isChoice && width === 1 ? Int32Array.from(outputs) : answersOf(rows, classes, scale);
    answers.set(own, indices[0]! * each);
  });
  return { answers, width };
}

/** Runs all samples in order; hands over the answers of the real ones as plain numbers. */
async function eachBatch(
  subject: Subject,
  dataset: Dataset,
  lab: Lab,
  { batch, task = 'evaluate' }: EvaluateOptions,
  take: (outputs: Float64Array, indices: Int32Array, dims: readonly number[]) => void,
): Promise<void> {
  const fixed = fixedBatch(subject.model.graph);
  const size = fixed ?? batch ?? comfortableBatch(dataset, subject.model);
  const { hands, threads } = lanesOf(lab);
  using session: Session = await loadSubject(subject, { ...lab, ...(threads !== undefined && { threads }) });
  const first = answerOf(subject.model.graph);
  const fed = asTaken(dataset, subject.model.graph);
  const countFrom = (from: number): number => Math.min(size, dataset.size - from);
  const rowsFrom = (from: number): Int32Array =>
    Int32Array.from({ length: fixed ?? countFrom(from) }, (_, i) => from + Math.min(i, countFrom(from) - 1));
  const starts = Array.from({ length: Math.ceil(dataset.size / size) }, (_, i) => i * size);
  const feeds: Feeds[] = [];
  const runs = inOrder(starts, hands, {
    ahead: (from) => fed.prepare?.(rowsFrom(from)),
    ready(from, lane) {
      stopIfAborted(lab.signal);
      feeds[lane] = feedsOf(fed, rowsFrom(from));
    },
    async work(from, lane) {
      const { [first]: output } = await session.run(feeds[lane]!, [first], lab.signal);
      const dims = output!.dims.slice(1);
      return { from, dims, outputs: rowsOf(output!, rowsFrom(from).length, countFrom(from), subject) };
    },
  });
  for await (const { from, dims, outputs } of runs) {
    const count = countFrom(from);
    take(
      outputs,
      Int32Array.from({ length: count }, (_, k) => from + k),
      dims,
    );
    lab.onProgress?.({ task, done: from + count, total: dataset.size });
  }
}

function rowsOf(output: Tensor, rows: number, count: number, subject: Subject): Float64Array {
  const size = sizeOf(output.dims);
  if (size % rows !== 0 || size === 0 || (output.dims[0] !== rows && rows > 1)) {
    throw new PareError('data/shape', `The first output of "${subject.name}" does not hold a row for each sample.`, {
      where: subject.name,
      expected: `[${rows}, classes]`,
      got: `[${output.dims.join(', ')}]`,
    });
  }
  return Float64Array.from(numbers(output)).subarray(0, (size / rows) * count);
}

const misfit = (subject: Subject, expected: string, width: number): PareError =>
  new PareError('data/shape', `The first output of "${subject.name}" has another width than the targets.`, {
    where: subject.name,
    expected: `${expected} numbers per sample`,
    got: `${width}`,
  });

function checkLabels(
  targets: readonly number[] | Float32Array,
  classes: number,
  subject: Subject,
  dataset: Dataset,
): void {
  const beyond = targets.find((target) => target < 0 || target >= classes);
  if (beyond === undefined) return;
  throw new PareError('data/classes', `"${dataset.name}" has a class that "${subject.name}" does not know.`, {
    where: dataset.name,
    expected: `labels 0 to ${classes - 1}`,
    got: `${beyond}`,
  });
}
