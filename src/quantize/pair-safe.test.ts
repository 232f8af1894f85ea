import fc from 'fast-check';
import { expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { pairSafe, summationOrder } from './pair-safe.ts';
import { along, dequantizeWeight, quantizeWeight, weightScales } from './weight.ts';

const shape = fc.constantFrom<[number[], number]>(
  [[4, 3, 3, 3], 0],
  [[2, 5, 1, 1], 0],
  [[3, 4, 5], 0],
  [[6, 7], 0],
  [[6, 7], 1],
);
const noise = (count: number, seed: number): Float32Array => {
  const source = random(seed, 'weights');
  return Float32Array.from({ length: count }, () => source.normal());
};
const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

it('sums taps outside and input channels inside', () => {
  // [O, C = 2, 1, 3]: tap 0 of both channels, tap 1 of both, tap 2 of both
  expect([...summationOrder([8, 2, 1, 3], 0).order]).toEqual([0, 3, 1, 4, 2, 5]);
  expect(summationOrder([8, 2, 1, 3], 0).stride).toBe(6);
  expect([...summationOrder([3, 4], 1).order]).toEqual([0, 4, 8]);
  expect([...summationOrder([4, 3], 0).order]).toEqual([0, 1, 2]);
});

it('leaves no pair that overflows 16 bits, whatever the activations', () => {
  fc.assert(
    fc.property(shape, fc.integer(), fc.boolean(), ([dims, axis], seed, perChannel) => {
      const w = noise(size(dims), seed);
      const { codes } = pairSafe(w, dims, axis, perChannel);
      const { order, stride } = summationOrder(dims, axis);
      for (let c = 0; c < dims[axis]!; c++) {
        for (let i = 0; i + 1 < order.length; i += 2) {
          const sum = 255 * (codes[c * stride + order[i]!]! + codes[c * stride + order[i + 1]!]!);
          expect(sum).toBeLessThanOrEqual(32767);
          expect(sum).toBeGreaterThanOrEqual(-32768);
        }
      }
    }),
  );
});

it('is nearer to the weights than 7 bits are', () => {
  const dims = [16, 32, 3, 3];
  const w = noise(size(dims), 3);
  const error = (x: Float32Array): number => x.reduce((sum, v, i) => sum + (v - w[i]!) ** 2, 0);
  const lie = along(dims, 0);
  const safe = pairSafe(w, dims, 0);
  const scales = weightScales(w, lie, 64, true);
  const halved = dequantizeWeight(quantizeWeight(w, scales, lie, 64), scales, lie);
  expect(error(dequantizeWeight(safe.codes, safe.scales, lie))).toBeLessThan(0.6 * error(halved));
});

it('gives all zeros the scale 1', () => {
  const { scales, codes } = pairSafe(new Float32Array(8), [2, 4], 0);
  expect([...scales, ...codes]).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});
