/** What a model is to learn from a data set, when nobody says: loss and metric by labels and outputs. */

import { PareError } from '../base/error.ts';
import { classesOf, type Dataset, LABELS } from '../data/dataset.ts';
import { fixedBatch } from '../data/port.ts';
import { isStatic } from '../graph/dim.ts';
import type { DType } from '../graph/dtype.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { answerOf } from '../nn/logits.ts';
import { openMaps } from '../nn/open-maps.ts';
import { infer } from '../ops/infer.ts';
import { learningForm } from './learning-form.ts';
import { binaryCrossEntropy } from './loss/binary-cross-entropy.ts';
import { crossEntropy } from './loss/cross-entropy.ts';
import type { Loss } from './loss/loss.ts';
import { meanSquaredError } from './loss/mean-squared-error.ts';
import { accuracy } from './metric/accuracy.ts';
import { binaryAccuracy } from './metric/binary-accuracy.ts';
import type { Metric } from './metric/metric.ts';
import { rSquared } from './metric/r-squared.ts';
import { atPlaces, IGNORED, metricAtPlaces, type Places, placesOf } from './places.ts';

export interface LearningTask {
  readonly name: 'classes' | 'classes at places' | 'yes or no' | 'several yes or no' | 'numbers';
  readonly loss: Loss;
  readonly metric: Metric;
  /** Where each place has its class: what makes any loss and metric of classes count places. */
  readonly places?: { readonly loss: (loss: Loss) => Loss; readonly metric: (metric: Metric) => Metric };
}

/** Samples whose labels are looked at to tell what they are, and labels at most. */
const LOOK = 1000;
const MOST_LABELS = 1e6;

/**
 * Classes: cross-entropy and accuracy, at every place of a sequence or a map where outputs and labels have them (a label of −100
 * counts nothing). Two classes for one output, or rows of 0s and 1s: binary cross-entropy and the share of
 * right answers. Other numbers: mean squared error and R².
 *
 * Throws   data/unlabelled without labels; data/classes for a label beyond the outputs; data/shape when outputs and labels differ in width.
 */
export function taskOf(model: Model, data: Dataset): LearningTask {
  if (!data.labels) {
    throw new PareError('data/unlabelled', `"${data.name}" has no labels to learn from.`, {
      where: data.name,
      hint: 'a model whose output is as large as its input can learn to rebuild it; without labels, pare distill learns from a teacher',
    });
  }
  const width = outputWidth(model, data);
  const targets = sizeOf(data.labels.dims);
  const places = placesFor(model, data);
  if (places) return atEveryPlace(places, data.labels.dtype);
  if (data.task === 'classification') {
    checkOnePerSample(model, data, targets);
    checkClasses(data, Math.max(2, width));
    if (width !== 1) return { name: 'classes', loss: crossEntropy(), metric: accuracy };
    return { name: 'yes or no', loss: binaryCrossEntropy(), metric: binaryAccuracy };
  }
  if (width !== targets) {
    throw new PareError(
      'data/shape',
      `The model gives ${width} numbers per sample, and the labels of "${data.name}" have ${targets}.`,
      {
        where: data.name,
        expected: `${width}`,
        got: `${targets}`,
      },
    );
  }
  if (!isYesOrNo(data, targets)) return { name: 'numbers', loss: meanSquaredError(), metric: rSquared };
  return { name: 'several yes or no', loss: binaryCrossEntropy(), metric: binaryAccuracy };
}

/** Where the labels are a class for each place of the answer; undefined where they are not. Throws data/classes for a class beyond the outputs. */
export function placesFor(model: Model, data: Dataset): Places | undefined {
  if (!data.labels?.dims.length) return undefined;
  const places = placesOf(outputDims(model, data).slice(1), data.labels.dims);
  return places && hasClasses(data, places) ? places : undefined;
}

function atEveryPlace(places: Places, dtype: DType): LearningTask {
  const loss = (own: Loss) => atPlaces(places, dtype, own);
  const metric = (own: Metric) => metricAtPlaces(places, own);
  return {
    name: 'classes at places',
    loss: loss(crossEntropy({ ignore: IGNORED })),
    metric: metric(accuracy),
    places: { loss, metric },
  };
}

/** Are the labels class numbers? Throws data/classes for whole numbers that are none of the model's classes. */
function hasClasses(data: Dataset, { dims, classes }: Places): boolean {
  const labels = someLabels(data, sizeOf(dims));
  if (!labels.every((label) => Number.isInteger(label))) return false;
  const odd = labels.find((label) => label !== IGNORED && (label < 0 || label >= classes));
  if (odd !== undefined) throw noClass(data, classes, odd);
  return true;
}

/** A class for each sample: what is scored. */
function checkOnePerSample(model: Model, data: Dataset, labels: number): void {
  const places = outputDims(model, data).slice(2);
  if (labels === 1 && sizeOf(places) <= 1) return;
  throw new PareError(
    'data/shape',
    `The first output and the labels of "${data.name}" are not one class for each sample.`,
    {
      where: data.name,
      expected: 'an output [N, K] and labels [N]',
      got: `an output [N, ${outputDims(model, data).slice(1).join(', ')}] and ${labels} labels a sample`,
      hint: 'labels [N, places] go with an output [N, places, K] or [N, K, places]; fit in the package takes a loss for answers of any shape',
    },
  );
}

function checkClasses(data: Dataset, classes: number): void {
  const odd = classesOf(data).find((label) => label < 0 || label >= classes);
  if (odd !== undefined) throw noClass(data, classes, odd);
}

const noClass = (data: Dataset, classes: number, got: number): PareError =>
  new PareError('data/classes', `"${data.name}" has a class that the model has no output for.`, {
    where: data.name,
    expected: `labels 0 to ${classes - 1}`,
    got: `${got}`,
    ...(got < 0 && { hint: 'labels of tokens or pixels that count nothing are -100' }),
  });

/** Numbers per sample of the first output. */
export const outputWidth = (model: Model, data: Dataset): number => {
  const [batch, ...sample] = outputDims(model, data);
  return batch === undefined ? 0 : sizeOf(sample);
};

/** Dimensions of the first output, the batch included; none where they are not known. */
function outputDims(model: Model, data: Dataset): readonly number[] {
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const batch = fixedBatch(model.graph) ?? 1;
  const { graph } = learningForm(openMaps(model).model, { batch, samples, learning: false });
  const dims = infer(graph).get(answerOf(graph))?.dims;
  return isStatic(dims) ? dims : [];
}

const isYesOrNo = (data: Dataset, width: number): boolean =>
  someLabels(data, width).every((label) => label === 0 || label === 1);

/** The labels of the first samples. */
function someLabels(data: Dataset, width: number): readonly number[] {
  const count = Math.min(LOOK, data.size, Math.max(1, Math.floor(MOST_LABELS / width)));
  const labels = data.labels?.dtype === 'int64' ? new BigInt64Array(count * width) : new Float32Array(count * width);
  data.fill(
    LABELS,
    Int32Array.from({ length: count }, (_, i) => i),
    labels,
  );
  return Array.from(labels, Number);
}
