import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { gridOf } from '../grid.ts';
import { calibrators, entropy, mse, percentile } from './index.ts';

const batch = fc.array(fc.float({ noNaN: true, min: Math.fround(-1e6), max: Math.fround(1e6) }), {
  minLength: 1,
  maxLength: 30,
});

describe.each(Object.entries(calibrators))('%s', (_, make) => {
  const calibrator = make();
  const see = (...batches: readonly number[][]) => {
    const state = calibrator.start();
    for (const x of batches) calibrator.see(state, x);
    return state;
  };

  it('gives the same range from merged states as from one that has seen it all', () => {
    fc.assert(
      fc.property(batch, batch, batch, (a, b, c) => {
        const merged = see(a);
        calibrator.merge(merged, see(b, c));
        expect(calibrator.range(merged)).toEqual(calibrator.range(see(a, b, c)));
      }),
    );
  });

  it('gives a range within what was seen, from which a grid with a positive scale comes', () => {
    fc.assert(
      fc.property(batch, batch, (a, b) => {
        const { lo, hi } = calibrator.range(see(a, b));
        const all = [...a, ...b, 0];
        expect(Number.isNaN(lo + hi)).toBe(false);
        expect(lo).toBeGreaterThanOrEqual(Math.min(...all));
        expect(hi).toBeLessThanOrEqual(Math.max(...all));
        const grid = gridOf({ lo, hi });
        expect(grid.scale).toBeGreaterThan(0);
        expect(Number.isInteger(grid.zeroPoint) && grid.zeroPoint >= 0 && grid.zeroPoint <= 255).toBe(true);
      }),
    );
  });
});

/** Draws of a distribution by its inverse, at even steps: as smooth as the distribution itself. */
const N = 200_000;
const laplace = (p: number): number => (p < 0.5 ? Math.log(2 * p) : -Math.log(2 - 2 * p));
const draws = (inverse: (p: number) => number): Float64Array =>
  Float64Array.from({ length: N }, (_, i) => inverse((i + 0.5) / N));
const normal = (() => {
  const source = random(1, 'normal');
  return Float64Array.from({ length: N }, () => source.normal());
})();

it('percentile cuts a Laplace distribution where its tails say', () => {
  const calibrator = percentile({ keep: 0.999 });
  const state = calibrator.start();
  calibrator.see(state, draws(laplace));
  const { lo, hi } = calibrator.range(state);
  // P(|x| > t) = e^−t = 0.001
  expect(hi).toBeCloseTo(-Math.log(0.001), 2);
  expect(lo).toBeCloseTo(Math.log(0.001), 2);
});

/** argmin over t of the error of a grid of 256 levels over ±t: clipping + t² / (3 · 4^8). */
function bestClip(clipping: (t: number) => number, from: number, to: number): number {
  let [best, least] = [from, Number.POSITIVE_INFINITY];
  for (let t = from; t <= to; t += 0.001) {
    const error = clipping(t) + t ** 2 / (3 * 4 ** 8);
    if (error < least) [best, least] = [t, error];
  }
  return best;
}

it('mse clips a Laplace distribution where the closed form has its minimum', () => {
  const calibrator = mse();
  const state = calibrator.start();
  calibrator.see(state, draws(laplace));
  const { lo, hi } = calibrator.range(state);
  // Banner et al. 2019: clipping costs 2 b² e^(−t / b)
  const t = bestClip((at) => 2 * Math.exp(-at), 5, 13);
  const width = -Math.log(2 * (0.5 / N)) / 64; // one candidate
  expect(Math.abs(hi - t)).toBeLessThan(1.5 * width);
  expect(Math.abs(lo + t)).toBeLessThan(1.5 * width);
});

it('mse clips half a Laplace distribution (what a ReLU gives) at the top only', () => {
  const calibrator = mse();
  const state = calibrator.start();
  calibrator.see(
    state,
    draws((p) => -Math.log(1 - p)),
  );
  const { lo, hi } = calibrator.range(state);
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let t = 5; t < 12; t += 0.001) {
    const error = 2 * Math.exp(-t) + (t / 255) ** 2 / 12;
    if (error < least) [best, least] = [t, error];
  }
  expect(lo).toBeCloseTo(0, 10);
  expect(Math.abs(hi - best)).toBeLessThan(0.35);
});

it('mse clips a Gauss distribution near 3.9 standard deviations, the optimum at 8 bits', () => {
  const calibrator = mse();
  const state = calibrator.start();
  calibrator.see(state, normal);
  const { hi } = calibrator.range(state);
  const phi = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  const tail = (t: number): number => {
    // 1 − Φ(t), by Simpson's rule
    const steps = 400;
    const h = 8 / steps;
    let sum = 0;
    for (let i = 0; i <= steps; i++) sum += phi(t + i * h) * (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2);
    return (sum * h) / 3;
  };
  const t = bestClip((at) => 2 * ((1 + at * at) * tail(at) - at * phi(at)), 3, 5);
  expect(t).toBeGreaterThan(3.85);
  expect(t).toBeLessThan(4.05);
  expect(Math.abs(hi - t)).toBeLessThan(0.3);
});

it('entropy cuts long tails, and keeps a range that is full to its ends', () => {
  const long = entropy().start();
  entropy().see(long, draws(laplace));
  const { hi } = entropy().range(long);
  expect(hi).toBeLessThan(0.85 * long.hi);
  expect(hi).toBeGreaterThan(5);
  const even = entropy().start();
  entropy().see(
    even,
    draws((p) => 2 * p - 1),
  );
  expect(entropy().range(even).hi).toBeGreaterThan(0.97);
});
