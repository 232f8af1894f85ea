/** Metrics against worked examples and definitions. */

import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import {
  confusion,
  f1,
  type Metric,
  meanAbsolute,
  metrics,
  perplexity,
  precision,
  recall,
  rocAuc,
  topK,
} from './index.ts';

const run = (metric: Metric, output: number[], labels: number[], width: number, floats = false): number => {
  const count = metric.start();
  // In two batches, as the loop does.
  const half = Math.floor(labels.length / 2);
  const values = (list: number[]) => (floats ? Float32Array.from(list) : BigInt64Array.from(list, BigInt));
  count.see(Float32Array.from(output.slice(0, half * width)), values(labels.slice(0, half)), half, width);
  count.see(Float32Array.from(output.slice(half * width)), values(labels.slice(half)), labels.length - half, width);
  return count.value();
};
/** One-hot outputs of these guesses. */
const guesses = (list: number[], classes: number): number[] =>
  list.flatMap((guess) => Array.from({ length: classes }, (_, c) => Number(c === guess)));

describe('scores of classes', () => {
  // scikit-learn's own example for average="macro".
  const actual = [0, 1, 2, 0, 1, 2];
  const guess = [0, 2, 1, 0, 0, 1];

  it('equal the documented macro averages of scikit-learn', () => {
    expect(run(precision, guesses(guess, 3), actual, 3)).toBeCloseTo(2 / 9, 12);
    expect(run(recall, guesses(guess, 3), actual, 3)).toBeCloseTo(1 / 3, 12);
    expect(run(f1, guesses(guess, 3), actual, 3)).toBeCloseTo(4 / 15, 12);
  });

  it('follow from the confusion matrix', () => {
    const count = confusion();
    count.see(Float32Array.from(guesses(guess, 3)), BigInt64Array.from(actual, BigInt), 6, 3);
    expect(count.matrix()).toEqual([
      [2, 0, 0],
      [1, 0, 1],
      [0, 2, 0],
    ]);
  });
});

describe('roc-auc', () => {
  it('equals scikit-learn’s documented example', () => {
    expect(run(rocAuc, [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 1, true)).toBe(0.75);
  });

  it('is the share of pairs in the right order, ties counting half', () => {
    const source = random(2, 'auc');
    const scores = Array.from({ length: 60 }, () => source.integer(12));
    const labels = Array.from({ length: 60 }, () => source.integer(2));
    let [wins, pairs] = [0, 0];
    for (let i = 0; i < 60; i++) {
      for (let j = 0; j < 60; j++) {
        if (labels[i] !== 1 || labels[j] !== 0) continue;
        pairs += 1;
        wins += scores[i]! > scores[j]! ? 1 : scores[i] === scores[j] ? 0.5 : 0;
      }
    }
    expect(run(rocAuc, scores, labels, 1, true)).toBeCloseTo(wins / pairs, 12);
  });
});

it('counts a class among the k largest', () => {
  const output = [5, 4, 3, 2, 1, 2, 3, 1, 1, 2, 3, 4];
  expect(run(topK(2), output, [1, 1, 0], 4)).toBeCloseTo(2 / 3, 12);
  expect(run(topK(1), output, [1, 1, 0], 4)).toBe(0);
});

it('measures perplexity: K where the model knows nothing, 1 where it is sure', () => {
  expect(run(perplexity, new Array<number>(12).fill(0.3), [0, 1, 3], 4)).toBeCloseTo(4, 6);
  expect(
    run(
      perplexity,
      guesses([0, 1, 3], 4).map((x) => 200 * x),
      [0, 1, 3],
      4,
    ),
  ).toBeCloseTo(1, 6);
});

it('averages absolute differences', () => {
  expect(run(meanAbsolute, [1, 2, 3], [2, 2, 1], 1, true)).toBe(1);
});

it('counts yes-or-no answers, of logits and of probabilities', () => {
  expect(run(metrics['binary-accuracy'], [-1, 2, 0.4, -3], [0, 1, 1, 1], 1)).toBe(3 / 4);
  expect(run(metrics['binary-accuracy'], [0.1, 0.9, 0.4, 0.2], [0, 1, 1, 1], 1)).toBe(2 / 4);
  expect(run(metrics['binary-accuracy'], [0.1, 0.9, 0.4, 0.8], [0, 1, 1, 1], 1, true)).toBe(3 / 4);
});

it.each(Object.entries(metrics))('%s does not mind how samples are batched', (name, metric) => {
  const source = random(3, 'batches');
  const output = Float32Array.from({ length: 40 * 2 }, () => source.normal());
  const labels = BigInt64Array.from({ length: 40 }, () => BigInt(source.integer(2)));
  const isRows = name === 'r2' || name === 'mae' || name === 'binary-accuracy';
  const width = isRows ? 1 : 2;
  const whole = metric.start();
  whole.see(output, labels, 40, width);
  const parts = metric.start();
  for (const [from, to] of [
    [0, 7],
    [7, 29],
    [29, 40],
  ] as const) {
    parts.see(output.slice(from * width, to * width), labels.slice(from, to), to - from, width);
  }
  expect(parts.value()).toBeCloseTo(whole.value(), 10);
});
