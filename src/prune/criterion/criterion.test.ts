import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import type { Slice } from './criterion.ts';
import { criteria } from './index.ts';

/** A weight [units, inner] seen along its first axis, with figures of every kind. */
function slice(weight: readonly number[], units: number, extra: Partial<Slice> = {}): Slice {
  const inner = weight.length / units;
  return {
    name: 'W',
    axis: 0,
    dims: [units, inner],
    role: 'out',
    slot: 'W',
    units,
    weight,
    gradient: weight.map((w) => 0.5 - w),
    square: weight.map((w) => w * w + 1),
    change: Array.from({ length: units }, (_, u) => 3 + u / 10),
    activation: {
      mean: Array.from({ length: units }, (_, u) => 1 + u / 10),
      rms: Array.from({ length: units }, (_, u) => 2 + u / 10),
    },
    places: (unit) => Int32Array.of(unit),
    elements: (unit) => Int32Array.from({ length: inner }, (_, i) => unit * inner + i),
    sum: (f) => {
      const total = new Float64Array(units);
      for (let i = 0; i < weight.length; i++) total[Math.floor(i / inner)]! += f(i);
      return total;
    },
    random: random(1, 'criterion'),
    ...extra,
  };
}

const WEIGHT = [3, -4, 0, 1, 1, -1, 0.5, 2, -2, 6, 0, 8];

describe('every criterion', () => {
  for (const criterion of Object.values(criteria)) {
    describe(criterion.name, () => {
      it('gives each unit one finite score that is not negative', () => {
        const scores = criterion.score(slice(WEIGHT, 4));
        expect(scores).toHaveLength(4);
        for (const score of scores) expect(score).toBeGreaterThanOrEqual(0);
      });

      it('gives the same scores when asked again', () => {
        expect(criterion.score(slice(WEIGHT, 4))).toEqual(criterion.score(slice(WEIGHT, 4)));
      });

      it.skipIf(criterion.name === 'random')('follows units that change places (chance does not)', () => {
        const order = [2, 0, 3, 1];
        const turned = order.flatMap((unit) => WEIGHT.slice(unit * 3, unit * 3 + 3));
        const plain = slice(WEIGHT, 4);
        const { mean, rms } = plain.activation;
        const activation = { mean: order.map((u) => mean[u]!), rms: order.map((u) => rms[u]!) };
        const change = order.map((u) => plain.change[u]!);
        const [a, b] = [criterion.score(plain), criterion.score(slice(turned, 4, { activation, change }))];
        for (const [i, unit] of order.entries()) expect(b[i]).toBeCloseTo(a[unit]!, 10);
      });
    });
  }
});

describe('criteria by their formulas', () => {
  it('l1, l2', () => {
    expect([...criteria.l1.score(slice(WEIGHT, 4))]).toEqual([7, 3, 4.5, 14]);
    expect([...criteria.l2.score(slice([3, 4, 6, 8], 2))]).toEqual([5, 10]);
  });

  it('lamp: the strongest has 1, each other its share of what is as strong or stronger', () => {
    // Squares 1, 9, 4: 4/(4+9), 9/9, 1/(1+4+9).
    const [weak, strong, middle] = criteria.lamp.score(slice([1, 3, 2], 3));
    expect(weak).toBeCloseTo(1 / 14, 12);
    expect(strong).toBe(1);
    expect(middle).toBeCloseTo(4 / 13, 12);
  });

  it('fpgm: the filter in the middle of the others goes first', () => {
    const scores = criteria.fpgm.score(slice([0, 0, 1, 0, 0, 1, 1, 1, 0.5, 0.5], 5));
    expect(Math.min(...scores)).toBe(scores[4]);
    expect(scores[0]).toBeCloseTo(1 + 1 + Math.SQRT2 + Math.SQRT1_2, 12);
  });

  it('snip sums magnitudes, obd weighs squares, taylor takes what was collected', () => {
    const gradient = [2, -1, 1, 1];
    const square = [4, 1, 1, 1];
    const one = slice([1, 2, 3, -1], 2, { gradient, square, change: [0.5, 4] });
    expect([...criteria.taylor.score(one)]).toEqual([0.5, 4]);
    expect([...criteria.snip.score(one)]).toEqual([4, 4]);
    expect([...criteria.obd.score(one)]).toEqual([8, 10]);
  });

  it('wanda weighs by what is read', () => {
    const scores = criteria.wanda.score(slice([1, -1, 2, 0], 2, { activation: { mean: [0, 0], rms: [3, 0.5] } }));
    expect([...scores]).toEqual([6, 1]);
  });
});
