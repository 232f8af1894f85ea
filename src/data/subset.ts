/** A part of a data set is a data set: subsets, the first N, and seeded splits. */

import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import { classesOf, type Dataset } from './dataset.ts';

/** The samples with these numbers, in this order, without a copy. */
export function subset(dataset: Dataset, indices: ArrayLike<number>, name = dataset.name): Dataset {
  const chosen = Int32Array.from(indices);
  const bad = chosen.find((index) => index < 0 || index >= dataset.size);
  if (bad !== undefined || !chosen.length) {
    throw new PareError(
      bad === undefined ? 'data/empty' : 'data/index',
      bad === undefined ? `No sample of "${name}" was chosen.` : `"${name}" has no sample ${bad}.`,
      { where: name, expected: `0 to ${dataset.size - 1}` },
    );
  }
  const original = (rows: ArrayLike<number>): Int32Array => Int32Array.from(rows, (row) => chosen[row] ?? -1);
  return {
    ...dataset,
    name,
    size: chosen.length,
    fill: (column, rows, into) => dataset.fill(column, original(rows), into),
    ...(dataset.prepare && { prepare: (rows: ArrayLike<number>) => dataset.prepare!(original(rows)) }),
    ...(dataset.atEpoch && { atEpoch: (epoch: number) => subset(dataset.atEpoch!(epoch), chosen, name) }),
  };
}

/** The first `count` samples (all of them when there are fewer). */
export const take = (dataset: Dataset, count: number): Dataset =>
  count >= dataset.size
    ? dataset
    : subset(
        dataset,
        Int32Array.from({ length: count }, (_, i) => i),
      );

export interface Splits {
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly test?: Dataset;
}

export interface SplitOptions {
  /** Share of the samples, 0 to 1. Default 0. */
  readonly validation?: number;
  /** Share of the samples, 0 to 1. Default 0. */
  readonly test?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Keep each class's share in every part. Default: yes for class labels. */
  readonly stratified?: boolean;
}

/**
 * Three disjoint parts that together are the whole; the same seed gives the same parts.
 *
 * A part that was asked for gets at least one sample, and so does train; with `stratified`, the shares hold within
 * one sample per class.
 *
 * Throws   data/split when the shares leave nothing to train on, or there are too few samples for the parts.
 */
export function split(dataset: Dataset, options: SplitOptions = {}): Splits {
  const { validation = 0, test = 0, seed = 0, stratified = dataset.task === 'classification' } = options;
  const parts = 1 + (validation > 0 ? 1 : 0) + (test > 0 ? 1 : 0);
  if (!(validation >= 0 && test >= 0 && validation + test < 1) || dataset.size < parts) {
    throw new PareError('data/split', `"${dataset.name}" cannot be split into these shares.`, {
      where: dataset.name,
      expected: 'shares of 0 to 1 that leave something to train on, and a sample for each part',
      got: `validation ${validation}, test ${test}, of ${dataset.size} samples`,
      ...(dataset.size < parts && { hint: 'more samples, or a set of its own to score on (--eval)' }),
    });
  }
  const order = random(seed, 'split').shuffle(Int32Array.from({ length: dataset.size }, (_, i) => i));
  const line = stratified ? interleave(order, classesOf(dataset)) : order;
  const count = (share: number): number => (share > 0 ? Math.max(1, Math.round(share * dataset.size)) : 0);
  const tests = Math.min(count(test), dataset.size - parts + 1);
  const validations = Math.min(count(validation), dataset.size - tests - 1);
  const part = (from: number, to: number, name: string): Dataset =>
    subset(
      dataset,
      line.slice(from, to).sort(),
      `${dataset.name.replace(/ \((train|validation|test)\)$/, '')} (${name})`,
    );
  return {
    train: part(tests + validations, dataset.size, 'train'),
    ...(validations && { validation: part(tests, tests + validations, 'validation') }),
    ...(tests && { test: part(0, tests, 'test') }),
  };
}

/**
 * The same samples in an order of which every stretch has the classes in their overall shares: sample j of the n of
 * its class stands at (j + 1/2) / n of the way.
 */
export function interleave(order: Int32Array, classes: Int32Array): Int32Array {
  const total = new Map<number, number>();
  for (const label of classes) total.set(label, (total.get(label) ?? 0) + 1);
  const seen = new Map<number, number>();
  const place = new Float64Array(order.length);
  for (const index of order) {
    const label = classes[index]!;
    const rank = seen.get(label) ?? 0;
    seen.set(label, rank + 1);
    place[index] = (rank + 0.5) / total.get(label)!;
  }
  return order.slice().sort((p, q) => place[p]! - place[q]! || classes[p]! - classes[q]!);
}
