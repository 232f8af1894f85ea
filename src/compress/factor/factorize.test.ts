/** Factorisations: exact at full rank, exact where the weights have low rank, within the budget, better with samples. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { inMemory } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { float32, floats, sizeOf } from '../../graph/tensor.ts';
import { matrix } from '../../linear/matrix.ts';
import { svd } from '../../linear/svd.ts';
import { conv2d, dense, flatten, relu, sequential } from '../../nn/index.ts';
import { writeModel } from '../../onnx/index.ts';
import { difference } from '../../rewrite/index.ts';
import { type Engine, type Lab, openEngine } from '../../runtime/index.ts';
import { rankOnes } from './cp.ts';
import { evbmfRank } from './evbmf.ts';
import { factorize } from './factorize.ts';
import { schemes } from './index.ts';
import { energyRank, roundRank } from './rank.ts';
import type { Scheme } from './scheme.ts';

let engine: Engine;
let lab: Lab;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  lab = { engine, threads: 1 };
});
afterAll(() => engine[Symbol.dispose]());

const drawn = (dims: readonly number[], seed: number): Float32Array => {
  const source = random(seed, dims.join());
  return Float32Array.from({ length: sizeOf(dims) }, () => source.normal());
};
const net = (): Model =>
  sequential(
    [
      conv2d(12, 3, { stride: 2, pad: 1 }),
      relu(),
      conv2d(10, 3),
      relu(),
      conv2d(9, 1),
      relu(),
      flatten(),
      dense(16),
      relu(),
      dense(5),
    ],
    { input: [3, 14, 11], seed: 3 },
  );
const x = float32([4, 3, 14, 11], drawn([4, 3, 14, 11], 9));
async function run(model: Model) {
  using session = await engine.load(writeModel(model), { threads: 1 });
  return await session.run({ x });
}
/** The scheme with shapes that cost nothing, so that every layer is worth cutting. */
const free = (scheme: Scheme): Scheme => ({
  name: scheme.name,
  open: (layer, moments) => {
    const opened = scheme.open(layer, moments);
    return typeof opened === 'string' ? opened : { ...opened, parts: () => [] };
  },
});

describe.each(Object.values(schemes))('$name', (scheme: Scheme) => {
  // A sum of rank-one kernels has no full rank.
  it.skipIf(scheme.isBound)('gives the same outputs at full rank', async () => {
    const model = net();
    const { model: cut, report } = await factorize(model, { by: free(scheme), rank: { share: 1 }, roundTo: 1 }, lab);
    expect(report.rewrites.length).toBeGreaterThan(1);
    expect(difference(await run(cut), await run(model))).toBeLessThan(1e-5);
    for (const { error } of report.rewrites) expect(error).toBeLessThan(1e-6);
  });

  it('saves MACs at half the energy, and says what stays', async () => {
    const { model: cut, report } = await factorize(net(), { by: scheme, rank: { energy: 0.5 }, roundTo: 1 }, lab);
    expect(report.after.macs).toBeLessThan(report.before.macs);
    const saved = report.rewrites.reduce((sum, { macsBefore, macsAfter }) => sum + macsBefore - macsAfter, 0);
    expect(report.before.macs - report.after.macs).toBe(saved);
    expect(report.rewrites.length + report.kept.length).toBe(5);
    await run(cut);
  });
});

it('CP finds the rank-one kernels that weights were made of, and tells the error it reached', async () => {
  const [O, I, kh, kw, R] = [14, 11, 3, 3, 4];
  const [A, B, C, D] = [drawn([O, R], 1), drawn([I, R], 2), drawn([kh, R], 3), drawn([kw, R], 4)];
  const W = matrix(O, I * kh * kw);
  for (let k = 0; k < W.data.length; k++) {
    const [o, i] = [Math.floor(k / (I * kh * kw)), Math.floor(k / (kh * kw)) % I];
    const [a, c] = [Math.floor(k / kw) % kh, k % kw];
    for (let r = 0; r < R; r++) W.data[k]! += A[o * R + r]! * B[i * R + r]! * C[a * R + r]! * D[c * R + r]!;
  }
  expect(rankOnes(W, I, kh, kw, R).error).toBeLessThan(1e-3);
  // Too few terms: the error is that of the weights rebuilt from the factors, and more terms err less.
  const errors = [1, 2, 3].map((few) => {
    const got = rankOnes(W, I, kh, kw, few);
    let [off, all] = [0, 0];
    for (let k = 0; k < W.data.length; k++) {
      const [o, i] = [Math.floor(k / (I * kh * kw)), Math.floor(k / (kh * kw)) % I];
      const [a, c] = [Math.floor(k / kw) % kh, k % kw];
      let sum = 0;
      for (let r = 0; r < few; r++)
        sum +=
          got.A.data[o * few + r]! * got.B.data[i * few + r]! * got.C.data[a * few + r]! * got.D.data[c * few + r]!;
      off += (W.data[k]! - sum) ** 2;
      all += W.data[k]! ** 2;
    }
    expect(got.error).toBeCloseTo(Math.sqrt(off / all), 6);
    return got.error;
  });
  expect(errors[1]).toBeLessThan(errors[0]!);
  expect(errors[2]).toBeLessThan(errors[1]!);
});

it('ranks by measured time keep no chain that is slower than asked', async () => {
  const { report } = await factorize(net(), { by: 'svd', rank: { latency: 0.9 }, roundTo: 1 }, lab);
  for (const { latencyRatio } of report.rewrites) expect(latencyRatio).toBeLessThanOrEqual(0.9);
  expect(report.rewrites.length + report.kept.length).toBe(5);
});

it('keeps the asked share of the MACs, exactly counted', async () => {
  for (const macs of [0.7, 0.4]) {
    const { report } = await factorize(net(), { rank: { keep: { macs } }, roundTo: 1 }, lab);
    expect(report.after.macs).toBeLessThanOrEqual(macs * report.before.macs);
    expect(report.after.macs).toBeGreaterThan(0.7 * macs * report.before.macs);
  }
});

it('finds weights of low rank and loses nothing', async () => {
  const model = sequential([dense(40), relu(), dense(3)], { input: [30] });
  const name = [...model.graph.initializers.keys()].find((key) => key.endsWith('weight'))!;
  const [a, b] = [drawn([40, 4], 1), drawn([4, 30], 2)];
  const W = Float32Array.from({ length: 1200 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += a[Math.floor(i / 30) * 4 + k]! * b[k * 30 + (i % 30)]!;
    return sum;
  });
  const low = {
    ...model,
    graph: { ...model.graph, initializers: new Map([...model.graph.initializers, [name, float32([40, 30], W)]]) },
  };
  const { model: cut, report } = await factorize(low, { rank: { energy: 0.999999 }, by: 'svd' }, lab);
  expect(report.rewrites.map(({ what }) => what)).toEqual(['svd, rank 4 of 30']);
  const feeds = { x: float32([5, 30], drawn([5, 30], 4)) };
  using before = await engine.load(writeModel(low));
  using after = await engine.load(writeModel(cut));
  expect(difference(await after.run(feeds), await before.run(feeds))).toBeLessThan(1e-5);
});

it('with samples, the outputs on them suffer less at the same rank', async () => {
  // Inputs that live in few directions: those are what counts.
  const size = 256;
  const mix = drawn([6, 30], 5);
  const hidden = drawn([size, 6], 6);
  const data = Float32Array.from({ length: size * 30 }, (_, i) => {
    let sum = 0.05 * Math.sin(i);
    for (let k = 0; k < 6; k++) sum += hidden[Math.floor(i / 30) * 6 + k]! * mix[k * 30 + (i % 30)]!;
    return sum;
  });
  const set = inMemory({ name: 'few directions', inputs: { x: { dtype: 'float32', dims: [30], data } } });
  const model = sequential([dense(40)], { input: [30] });
  using before = await engine.load(writeModel(model));
  const feeds = { x: float32([size, 30], data) };
  const expected = floats((await before.run(feeds))['y']!);
  const scale = expected.reduce((sum, y) => sum + y * y, 0);
  const errors: number[] = [];
  for (const seen of [undefined, set]) {
    const { model: cut, report } = await factorize(model, { by: 'svd', rank: { share: 6 / 30 }, data: seen }, lab);
    using after = await engine.load(writeModel(cut));
    const got = floats((await after.run(feeds))['y']!);
    errors.push(Math.sqrt(got.reduce((sum, y, i) => sum + (y - expected[i]!) ** 2, 0) / scale));
    if (seen) expect(report.rewrites[0]!.error).toBeGreaterThan(0.5 * errors[1]!);
  }
  expect(errors[1]).toBeLessThan(0.2 * errors[0]!);
});

it('EVBMF finds the rank of drawn matrices under noise, and none in noise alone', () => {
  for (const [rows, columns, rank] of [
    [40, 70, 5],
    [60, 30, 3],
    [30, 50, 0],
  ] as const) {
    const [a, b, noise] = [drawn([rows, rank], 1), drawn([rank, columns], 2), drawn([rows, columns], 3)];
    const A = matrix(rows, columns, noise);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let k = 0; k < rank; k++) A.data[i * columns + j]! += 2 * a[i * rank + k]! * b[k * columns + j]!;
    const energy = svd(A).s.map((x) => x * x);
    expect(evbmfRank(energy, rows, columns)).toBe(rank);
  }
  expect(evbmfRank([0, 0], 2, 2)).toBe(0);
});

it('ranks: energy and rounding', () => {
  expect(energyRank([4, 3, 2, 1], 0.7)).toBe(2);
  expect(energyRank([4, 3, 2, 1], 0.71)).toBe(3);
  expect(roundRank(9, 8, 64)).toBe(16);
  expect(roundRank(3, 8, 64)).toBe(3);
  expect(roundRank(60, 16, 61)).toBe(61);
});

it('leaves a model without layers as it is, samples or not', async () => {
  const data = inMemory({ name: 'ones', inputs: { x: { dtype: 'float32', dims: [3], data: drawn([4, 3], 1) } } });
  const { model, report } = await factorize(sequential([relu()], { input: [3] }), { data }, lab);
  expect(model.graph.nodes.map(({ op }) => op)).toEqual(['Relu']);
  expect(report.before).toEqual(report.after);
});
