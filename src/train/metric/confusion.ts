/** How often which class was taken for which, and the measures that follow from it. */

import { type Count, type Metric, predicted } from './metric.ts';

/** counts[actual][predicted]. */
export type Confusion = readonly (readonly number[])[];

export interface ConfusionCount extends Count {
  /** As many rows and columns as classes were seen. */
  matrix(): Confusion;
}

/** Counts pairs of classes; `value` is the accuracy. A single logit above 0 is class 1. */
export function confusion(): ConfusionCount {
  const pairs = new Map<number, Map<number, number>>();
  let [size, total, right] = [0, 0, 0];
  return {
    see(output, labels, samples, width) {
      size = Math.max(size, width, 2);
      for (let i = 0; i < samples; i++) {
        const actual = Number(labels[i]);
        const guess = predicted(output, i * width, width);
        size = Math.max(size, actual + 1);
        const row = pairs.get(actual) ?? new Map<number, number>();
        pairs.set(actual, row.set(guess, (row.get(guess) ?? 0) + 1));
        total += 1;
        if (guess === actual) right += 1;
      }
    },
    matrix: () =>
      Array.from({ length: size }, (_, a) => Array.from({ length: size }, (__, p) => pairs.get(a)?.get(p) ?? 0)),
    value: () => right / total,
  };
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

interface Scores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/**
 * Precision, recall and F1 of every class; 0 where nothing was predicted, or nothing there.
 *
 *   precision = hits / predicted · recall = hits / actual · F1 = 2 hits / (predicted + actual)
 */
export function scoresOf(matrix: Confusion): Scores[] {
  return matrix.map((row, c) => {
    const hits = row[c]!;
    const actual = sum(row);
    const guessed = sum(matrix.map((other) => other[c]!));
    const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
    return {
      precision: share(hits, guessed),
      recall: share(hits, actual),
      f1: share(2 * hits, guessed + actual),
    };
  });
}

/** Mean over the classes that were there or were predicted, as scikit-learn's macro average. */
const macro = (key: keyof Scores): Metric => ({
  name: key,
  start: () => {
    const counted = confusion();
    return {
      see: counted.see,
      value: () => {
        const matrix = counted.matrix();
        const isKnown = (c: number): boolean => sum(matrix[c]!) + sum(matrix.map((row) => row[c]!)) > 0;
        const scores = scoresOf(matrix).filter((_, c) => isKnown(c));
        return sum(scores.map((score) => score[key])) / scores.length;
      },
    };
  },
});
export const precision = macro('precision');
export const recall = macro('recall');
export const f1 = macro('f1');
