import { describe, expect, it } from 'vitest';
import { answersOf, lossOf, scaleOf } from './scoring.ts';

const softmax = (row: number[]): number[] => {
  const powers = row.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};

describe('scoring', () => {
  const logits = [2, -1, 0.5, -3, 4, 0.1];
  const probabilities = [...softmax(logits.slice(0, 3)), ...softmax(logits.slice(3))];

  it('reads the scale of outputs off their values', () => {
    expect(scaleOf(logits, 3)).toBe('logits');
    expect(scaleOf(probabilities, 3)).toBe('probabilities');
    expect(scaleOf(probabilities.map(Math.log), 3)).toBe('log-probabilities');
    expect(scaleOf([0.2, 0.9], 1)).toBe('probabilities');
    expect(scaleOf([0.2, -0.9], 1)).toBe('logits');
    expect(scaleOf([0.5, 0.9, 0.5, 0.1], 2)).toBe('logits');
  });

  it('gives the same cross-entropy in every scale', () => {
    const expected = -Math.log(probabilities[0]!) - Math.log(probabilities[5]!);
    expect(lossOf(logits, 3, 'logits', [0, 2])).toBeCloseTo(expected, 12);
    expect(lossOf(probabilities, 3, 'probabilities', [0, 2])).toBeCloseTo(expected, 12);
    expect(lossOf(probabilities.map(Math.log), 3, 'log-probabilities', [0, 2])).toBeCloseTo(expected, 12);
  });

  it('does not overflow', () => {
    expect(lossOf([1e4, 0], 2, 'logits', [1])).toBeCloseTo(1e4, 6);
    expect(lossOf([-800], 1, 'logits', [1])).toBeCloseTo(800, 6);
    expect(lossOf([1, 0], 2, 'probabilities', [1])).toBeCloseTo(-Math.log(1e-12), 6);
  });

  it('takes the first largest, yes above one half, and no answer for NaN', () => {
    expect([...answersOf([1, 3, 3, 5, 5, 2], 3, 'logits')]).toEqual([1, 0]);
    expect([...answersOf([0.4, 0.6], 1, 'probabilities')]).toEqual([0, 1]);
    expect([...answersOf([-0.1, 0.1], 1, 'logits')]).toEqual([0, 1]);
    expect([...answersOf([1, Number.NaN], 2, 'logits')]).toEqual([-1]);
  });
});
