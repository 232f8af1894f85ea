/**
 * A class at every place of a sequence or a map: each place counts as a sample of its own.
 *
 *   outputs [N, …places, K] or [N, K, …places]  →  [N · places, K];      labels [N, …places]  →  [N · places]
 */

import { LABELS } from '../data/dataset.ts';
import type { DType } from '../graph/dtype.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { Loss } from './loss/loss.ts';
import type { Metric } from './metric/metric.ts';

export interface Places {
  /** Of a sample. */
  readonly dims: readonly number[];
  readonly classes: number;
  /** The axis of the classes, without the batch: behind the places, or before them. */
  readonly isLast: boolean;
}

/** The label of a place that counts nothing: padding, parts of words, borders. */
export const IGNORED = -100;

const areAlike = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/**
 * How an output has a class for every label; undefined where it has not. Both without the batch axis.
 *
 * Where both readings fit, sequences have classes last, as transformers give them, and maps first.
 */
export function placesOf(output: readonly number[], labels: readonly number[]): Places | undefined {
  if (labels.length === 0) return undefined;
  const last = { dims: labels, classes: output.at(-1) ?? 0, isLast: true };
  const first = { dims: labels, classes: output[0] ?? 0, isLast: false };
  const fits = [
    ...(areAlike(output.slice(0, -1), labels) ? [last] : []),
    ...(areAlike(output.slice(1), labels) ? [first] : []),
  ].filter(({ classes }) => classes > 1);
  return labels.length > 1 ? fits.at(-1) : fits[0];
}

/** The same where no labels tell: sequences [S, K] have classes last, maps [K, H, W] first; undefined for one answer a sample. */
export function placesWithin(output: readonly number[]): Places | undefined {
  if (sizeOf(output.slice(1)) <= 1) return undefined;
  const labels = output.length === 3 ? output.slice(1) : output.slice(0, -1);
  return placesOf(output, labels);
}

/** A loss of classes [M, K] and labels [M] at every place; `dtype` is that of the labels as the data set has them. */
export const atPlaces =
  ({ dims, classes, isLast }: Places, dtype: DType, loss: Loss): Loss =>
  (g, { output, logits, column, ...rest }) => {
    const rows = (x: typeof output): typeof output => {
      const axes = x.dims.map((_, i) => i);
      const behind = isLast ? x : g.Transpose(x, { perm: [0, ...axes.slice(2), 1] });
      return g.reshape(behind, [sizeOf(x.dims) / classes, classes]);
    };
    const labels = () => {
      const stored = column(LABELS, dtype, dims);
      return g.reshape(dtype === 'int64' ? stored : g.Cast(stored, { to: 7 }), [sizeOf(stored.dims)]);
    };
    return loss(g, {
      ...rest,
      output: rows(output),
      // Logits that are laid out otherwise say nothing of their axes, unless the classes come last.
      logits: rows(isLast || areAlike(logits.dims, output.dims) ? logits : output),
      column: (name, ...how) => (name === LABELS ? labels() : column(name, ...how)),
    });
  };

/** Outputs and labels of the places that count, one after the other. */
export function rowsAt<T extends Float32Array | Float64Array>(
  { dims, classes, isLast }: Places,
  outputs: T,
  labels: ArrayLike<number | bigint>,
  samples: number,
): { rows: T; labels: Float32Array; count: number } {
  const places = sizeOf(dims);
  const rows = outputs.slice(0, samples * places * classes) as T;
  const kept = new Float32Array(samples * places);
  const [alongPlaces, alongClasses] = isLast ? [classes, 1] : [1, places];
  let count = 0;
  for (let i = 0; i < samples * places; i++) {
    const label = Number(labels[i]);
    if (label === IGNORED) continue;
    const from = Math.floor(i / places) * places * classes + (i % places) * alongPlaces;
    for (let k = 0; k < classes; k++) rows[count * classes + k] = outputs[from + k * alongClasses]!;
    kept[count++] = label;
  }
  return { rows: rows.subarray(0, count * classes) as T, labels: kept.subarray(0, count), count };
}

/** A metric of classes over all places that count. */
export const metricAtPlaces = (places: Places, metric: Metric): Metric => ({
  ...metric,
  start: () => {
    const inner = metric.start();
    return {
      see(output, labels, samples) {
        const { rows, labels: own, count } = rowsAt(places, output, labels, samples);
        inner.see(rows, own, count, places.classes);
      },
      value: () => inner.value(),
    };
  },
});
