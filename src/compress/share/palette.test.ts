/** Palettes: the best few values, looked up to the same outputs by the engine, in smaller files. */

import { expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { float32, floats, sizeOf } from '../../graph/tensor.ts';
import { conv2d, dense, flatten, relu, sequential } from '../../nn/index.ts';
import { writeModel } from '../../onnx/index.ts';
import { difference } from '../../rewrite/index.ts';
import { openEngine } from '../../runtime/index.ts';
import { kMeans } from './k-means.ts';
import { sharePalette } from './palette.ts';

const drawn = (count: number, seed = 1): Float32Array => {
  const source = random(seed, 'palette');
  return Float32Array.from({ length: count }, () => source.normal());
};

it('k-means: exact on few values, stationary otherwise, weights count', () => {
  const few = Float32Array.from({ length: 300 }, (_, i) => [-1.5, 0.25, 3][i % 3]!);
  expect([...kMeans(few, 4).colours]).toEqual([-1.5, 0.25, 3]);
  expect(kMeans(few, 4).error).toBe(0);
  const x = drawn(2000);
  const { colours, indices, error } = kMeans(x, 8);
  // Lloyd's condition: each colour is the mean of its numbers, each number has its nearest colour.
  colours.forEach((colour, k) => {
    const own = [...x].filter((_, i) => indices[i] === k);
    expect(own.reduce((a, b) => a + b, 0) / own.length).toBeCloseTo(colour, 10);
  });
  for (let i = 0; i < x.length; i += 37) {
    const nearest = Math.min(...colours.map((colour) => Math.abs(colour - x[i]!)));
    expect(Math.abs(colours[indices[i]!]! - x[i]!)).toBeCloseTo(nearest, 12);
  }
  // The best quantiser of a normal variable with 8 levels has a mean squared error of 0.03454 (Max 1960).
  expect(Math.abs(error ** 2 / 0.03454 - 1)).toBeLessThan(0.15);
  const heavy = kMeans([0, 1, 10], 2, [1, 1, 1000]).colours;
  expect([...heavy]).toEqual([0.5, 10]);
});

it.each([
  ['4 bits', { bits: 4 }],
  ['3 bits, 4 channels each', { bits: 3, channels: 4 }],
  ['6 bits', { bits: 6 }],
])('indices give what the values give, in a smaller file: %s', async (_, options) => {
  const model = sequential([conv2d(16, 3), relu(), conv2d(16, 3), relu(), flatten(), dense(40)], { input: [8, 9, 9] });
  const values = await sharePalette(model, { ...options, as: 'values', minSize: 500 });
  const indices = await sharePalette(model, { ...options, minSize: 500 });
  expect(values.report.weights.map(({ name }) => name)).toEqual(indices.report.weights.map(({ name }) => name));
  expect(indices.report.weights).toHaveLength(3);
  using engine = await openEngine({ threads: 1 });
  const feeds = { x: float32([2, 8, 9, 9], drawn(sizeOf([2, 8, 9, 9]), 4)) };
  using a = await engine.load(writeModel(values.model));
  using b = await engine.load(writeModel(indices.model));
  expect(difference(await b.run(feeds), await a.run(feeds))).toBe(0);
  const { before, after, gzipBefore, gzipAfter } = indices.report.bytes;
  expect(after).toBeLessThan((options.bits <= 4 ? 0.25 : 0.35) * before);
  expect(gzipAfter).toBeLessThan(0.3 * gzipBefore);
  const weight = values.report.weights[0]!.name;
  const kept = floats(values.model.graph.initializers.get(weight)!);
  expect(new Set(kept).size).toBeLessThanOrEqual(values.report.weights[0]!.colours);
});

it('refuses what is no index', async () => {
  const model = sequential([dense(3)], { input: [4] });
  await expect(sharePalette(model, { bits: 9 })).rejects.toThrow(/1 to 8 bits/);
  expect((await sharePalette(model)).report.kept[0]!.why).toContain('elements only');
});
