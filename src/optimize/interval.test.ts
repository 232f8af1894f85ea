import { describe, expect, it } from 'vitest';
import { bootstrapRise, changeOf, mayBeWithin, normalQuantile, samplesNeeded } from './interval.ts';

/** n samples of which `lost` were right before and `won` are right now; the others are right in both. */
const pairs = (n: number, lost: number, won: number): [number[], number[]] => [
  Array.from({ length: n }, (_, i) => (i >= lost && i < lost + won ? 0 : 1)),
  Array.from({ length: n }, (_, i) => (i < lost ? 0 : 1)),
];

describe('the interval of a drop', () => {
  it('has the normal quantiles of the tables', () => {
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 9);
    expect(normalQuantile(0.5)).toBeCloseTo(0, 9);
    expect(normalQuantile(0.001)).toBeCloseTo(-3.090232306167813, 8);
  });

  it('is Agresti and Min’s: their approval ratings, 150 and 86 of 1600 changed', () => {
    const { interval, lost, won } = changeOf(...pairs(1600, 150, 86));
    const [b, c, n] = [150.5, 86.5, 1602];
    const half = (1.959963984540054 * Math.sqrt(b + c - (b - c) ** 2 / n)) / n;
    expect([lost, won]).toEqual([150, 86]);
    expect(interval.low).toBeCloseTo((b - c) / n - half, 10);
    expect(interval.high).toBeCloseTo((b - c) / n + half, 10);
    expect(interval.low).toBeCloseTo(0.0212, 3);
    expect(interval.high).toBeCloseTo(0.0587, 3);
  });

  it('is not certain where nothing changed, and narrows with the samples', () => {
    const few = changeOf(...pairs(20, 0, 0)).interval;
    const many = changeOf(...pairs(2000, 0, 0)).interval;
    expect(few.high).toBeGreaterThan(0.05);
    expect(many.high).toBeLessThan(0.002);
  });

  it('covers the truth about as often as it says', () => {
    let covered = 0;
    const rounds = 400;
    let state = 12345;
    const uniform = (): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state / 0x7fffffff;
    };
    for (let round = 0; round < rounds; round++) {
      const before: number[] = [];
      const after: number[] = [];
      for (let i = 0; i < 200; i++) {
        const x = uniform(); // 6 % lost, 2 % won: a drop of 4 %
        before.push(x < 0.02 ? 0 : 1);
        after.push(x >= 0.02 && x < 0.08 ? 0 : 1);
      }
      const { low, high } = changeOf(before, after).interval;
      if (low <= 0.04 && 0.04 <= high) covered += 1;
    }
    expect(covered / rounds).toBeGreaterThan(0.91);
  });

  it('widens with every further look', () => {
    const once = changeOf(...pairs(500, 10, 4), 1).interval;
    const thrice = changeOf(...pairs(500, 10, 4), 3).interval;
    expect(thrice.high).toBeGreaterThan(once.high);
    expect(thrice.confidence).toBeCloseTo(1 - 0.05 / 3, 12);
  });

  it('has McNemar’s exact p-values', () => {
    expect(changeOf(...pairs(50, 0, 0)).pValue).toBe(1);
    expect(changeOf(...pairs(50, 5, 0)).pValue).toBeCloseTo(2 / 32, 12);
    expect(changeOf(...pairs(50, 7, 1)).pValue).toBeCloseTo((2 * 9) / 256, 12);
    expect(changeOf(...pairs(50, 4, 4)).pValue).toBe(1);
  });

  it('of an error is centred on its rise', () => {
    const before = Float64Array.from({ length: 400 }, (_, i) => 1 + (i % 7) / 7);
    const after = before.map((x) => x * 1.21);
    const { low, high } = bootstrapRise(before, after);
    expect(low).toBeCloseTo(0.1, 6);
    expect(high).toBeCloseTo(0.1, 6);
  });

  it('says how many samples would do', () => {
    expect(samplesNeeded(0.02, 5, 100, 0.01)).toBe(Number.POSITIVE_INFINITY);
    const needed = samplesNeeded(0.004, 8, 1000, 0.01);
    expect(needed).toBeGreaterThan(600);
    expect(
      changeOf(...pairs(needed, Math.round(needed * 0.006), Math.round(needed * 0.002))).interval.high,
    ).toBeLessThan(0.0105);
  });
});

it('leaves open what lies beyond a bound by no more than a standard error', () => {
  // 24 of 1000 at 2 %: √(0.024 · 0.976 / 1000) = 0.48 %
  expect(mayBeWithin(0.024, 0.02, 1000)).toBe(true);
  expect(mayBeWithin(0.026, 0.02, 1000)).toBe(false);
  expect(mayBeWithin(0.024, 0.02, 10_000)).toBe(false);
  expect(mayBeWithin(0.02, 0.02, 0)).toBe(true);
});
