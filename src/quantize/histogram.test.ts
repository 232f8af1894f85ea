import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 50 });
const seen = (...parts: readonly number[][]): Histogram => {
  const histogram = new Histogram(64);
  for (const part of parts) histogram.add(part);
  return histogram;
};
const facts = (h: Histogram) => ({
  width: h.width,
  count: h.count,
  zeros: h.zeros,
  lo: h.lo + 0, // −0 is 0
  hi: h.hi + 0,
  above: [...h.above],
  below: [...h.below],
});

it('comes out the same however the values are shared out and in whatever order they are merged', () => {
  fc.assert(
    fc.property(values, values, values, (a, b, c) => {
      const whole = facts(seen([...a, ...b, ...c]));
      expect(facts(seen(c, a, b))).toEqual(whole);
      const left = seen(a);
      left.absorb(seen(b));
      left.absorb(seen(c));
      expect(facts(left)).toEqual(whole);
      const right = seen(c);
      const inner = seen(b);
      inner.absorb(seen(a));
      right.absorb(inner);
      expect(facts(right)).toEqual(whole);
    }),
  );
});

it('counts every value once, at most 2048 bins a side', () => {
  const h = new Histogram();
  h.add([0, 1, -1, 1e-9, 5e6, Number.NaN, -0]);
  expect(h.count).toBe(6);
  expect(h.zeros).toBe(2);
  expect([...h.above, ...h.below].reduce((a, b) => a + b, 0)).toBe(4);
  expect(h.above.length).toBe(2048);
  expect([h.lo, h.hi]).toEqual([-1, 5e6]);
  expect(h.width * 2048).toBeGreaterThan(5e6);
  expect(h.width * 1024).toBeLessThanOrEqual(5e6);
});

it('counts many values as it counts few, whatever they are', () => {
  const odd = [0, -0, 1e-45, -1e-45, 3e-20, -3e-20, 1, -1, 2047, -2048, 65536, -1e9, 3e38];
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const floats = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(...odd), fc.constant(0));
  fc.assert(
    fc.property(
      fc.array(floats, { minLength: 1, maxLength: 300 }),
      fc.option(fc.constantFrom(...special)),
      fc.integer({ min: 16_384, max: 100_000 }),
      fc.constantFrom(1, 1e-30, 1e-38),
      (pattern, guest, length, scale) => {
        const x = Float32Array.from({ length }, (_, i) => pattern[(i * 7) % pattern.length]! * scale);
        if (guest !== null) x.set([guest, 3 * scale, 9e9 * scale], length - 5);
        const [many, few] = [new Histogram(64), new Histogram(64)];
        many.add(x);
        few.add(Array.from(x));
        expect(facts(many)).toEqual(facts(few));
        many.add(x.subarray(3));
        few.add(Array.from(x.subarray(3)));
        expect(facts(many)).toEqual(facts(few));
      },
    ),
    { numRuns: 30 },
  );
});

it('finds the quantiles of evenly spread values', () => {
  const h = new Histogram();
  h.add(Float64Array.from({ length: 100_001 }, (_, i) => i / 100_000 - 0.25));
  const { lo, hi } = h.quantiles(0.01);
  expect(lo).toBeCloseTo(-0.24, 3);
  expect(hi).toBeCloseTo(0.74, 3);
  expect(h.quantiles(0)).toEqual({ lo: -0.25, hi: 0.75 });
  // A tail beyond 0: the upper edge lies below 0 when 80 % are cut.
  expect(h.quantiles(0.8).hi).toBeCloseTo(-0.05, 3);
});
