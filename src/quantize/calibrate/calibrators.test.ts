import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { gridOf } from '../grid.ts';
import { thresholdOf } from './entropy.ts';
import { calibrators, entropy, movingAverage, mse, percentile } from './index.ts';

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

  it('remembers no more after many batches than after some', () => {
    const numbersIn = (x: unknown): number =>
      typeof x === 'object' && x !== null ? Object.values(x).reduce<number>((n, each) => n + numbersIn(each), 0) : 1;
    const sizeAfter = (batches: number) =>
      numbersIn(see(...Array.from({ length: batches }, (_, i) => [Math.sin(i), i % 7, -(i % 5)])));
    expect(sizeAfter(2000)).toBe(sizeAfter(400));
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

it('moving-average gives the range of whole batches when it is shown them in parts', () => {
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 20 }), (parts) => {
      const inParts = movingAverage({ parts: 3 });
      const whole = movingAverage();
      const [a, b] = [inParts.start(), whole.start()];
      for (const x of parts) inParts.see(a, x);
      for (let at = 0; at < parts.length; at += 3) whole.see(b, parts.slice(at, at + 3).flat());
      expect(inParts.range(a)).toEqual(whole.range(b));
    }),
  );
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

/** The half-Gauss distribution by its inverse: |normal|, at even steps; its density is 2 φ(t). */
const phi = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
const integral = (f: (t: number) => number, from: number, to: number, steps = 4000): number => {
  const h = (to - from) / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) sum += f(from + i * h) * (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2);
  return (sum * h) / 3; // Simpson
};
const halfNormal = normal.map(Math.abs);

it('percentile cuts Gauss and half-Gauss distributions where their tails say', () => {
  // P(|x| > 3.290527) = 0.001; what has both signs is cut on each side, by half of that each
  for (const values of [normal, halfNormal]) {
    const calibrator = percentile({ keep: 0.999 });
    const state = calibrator.start();
    calibrator.see(state, values);
    expect(Math.abs(calibrator.range(state).hi - 3.290527)).toBeLessThan(0.06);
  }
});

it('mse clips a half-Gauss distribution where the integral of its error has its minimum', () => {
  const calibrator = mse();
  const state = calibrator.start();
  calibrator.see(state, halfNormal);
  const error = (t: number): number => integral((x) => 2 * phi(x) * (x - t) ** 2, t, 9) + (t / 255) ** 2 / 12;
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let t = 3; t < 5; t += 0.01) if (error(t) < least) [best, least] = [t, error(t)];
  const { lo, hi } = calibrator.range(state);
  expect(lo).toBeGreaterThanOrEqual(0);
  expect(best).toBeGreaterThan(3.9);
  expect(best).toBeLessThan(4.3);
  expect(Math.abs(hi - best)).toBeLessThan(0.3);
});

/**
 * The divergence that entropy minimises, for a density on t ≥ 0 with this tail, written with integrals instead of counts: within a level the
 * merged histogram is flat, and what lies beyond T stands in the last bin.
 */
function divergenceAt(T: number, f: (t: number) => number, tail: (t: number) => number, levels: number, bin: number) {
  const inside = 1 - tail(T);
  const step = T / levels;
  let loss = 0;
  for (let level = 0; level < levels; level++) {
    const [from, to] = [level * step, (level + 1) * step];
    const mean = (tail(from) - tail(to)) / step / inside;
    loss += integral((t) => f(t) * Math.log(f(t) / mean), from, level === levels - 1 ? to - bin : to, 8);
  }
  const last = tail(T - bin);
  const flat = ((tail(T - step) - tail(T)) / step / inside) * bin;
  return loss + last * Math.log(last / flat);
}

const exponential = (t: number): number => Math.exp(-t);
const halfGauss = [(t: number) => 2 * phi(t), (t: number) => 2 * integral(phi, t, t + 8, 80)] as const;

/** |x| of both signs has 128 levels, of one sign 255. */
it.each([
  ['Laplace', exponential, exponential, 128, 14],
  ['half-Laplace', exponential, exponential, 255, 14],
  ['Gauss', ...halfGauss, 128, 6],
  ['half-Gauss', ...halfGauss, 255, 6],
] as const)('entropy cuts a %s distribution where the divergence has its minimum', (_, f, tail, levels, most) => {
  const bin = most / 2048;
  const tails = Float64Array.from({ length: 2049 }, (_, i) => tail(i * bin));
  const chosen = thresholdOf(
    Float64Array.from({ length: 2048 }, (_, i) => 1e9 * (tails[i]! - tails[i + 1]!)),
    levels,
  );
  const at = (bins: number): number => divergenceAt(bins * bin, f, tail, levels, bin);
  const candidates = Array.from({ length: Math.floor((2048 - levels) / 64) }, (_, i) => levels + 64 * i);
  const least = Math.min(...candidates.map(at));
  expect(at(chosen)).toBeLessThan(1.05 * least);
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

it('entropy keeps the few values that count among many about 0: gates', () => {
  // Nearly all decay from 0 on, within one level of a grid; one in fifty lies between 0.5 and 1.
  const gates = draws((p) => (p < 0.98 ? -0.0005 * Math.log(1 - p) : 0.5 + 25 * (p - 0.98)));
  const seen = entropy().start();
  entropy().see(seen, gates);
  const { hi } = entropy().range(seen);
  const squares = (of: (x: number) => number): number => gates.reduce((sum, x) => sum + of(x) ** 2, 0);
  expect(squares((x) => Math.max(0, x - hi))).toBeLessThan(0.011 * squares((x) => x));
});
