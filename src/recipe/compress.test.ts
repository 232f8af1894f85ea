/** Compression as one piece of work: every method on one small network, each told, the outputs as promised. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { costOf } from '../cost/cost.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { float32, sizeOf } from '../graph/tensor.ts';
import { batchNorm, conv2d, dense, flatten, maxPool2d, relu, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { difference } from '../rewrite/index.ts';
import { type Engine, type Lab, openEngine } from '../runtime/index.ts';
import { compressModel } from './compress.ts';

let engine: Engine;
let lab: Lab;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  lab = { engine, threads: 1, seed: 2 };
});
afterAll(() => engine[Symbol.dispose]());

const INPUT = [2, 6, 6];
const drawn = (dims: readonly number[], seed: number): Float32Array => {
  const source = random(seed, dims.join());
  return Float32Array.from({ length: sizeOf(dims) }, () => source.normal());
};
const samples = (size: number): Dataset =>
  inMemory({ name: 'drawn', inputs: { x: { dtype: 'float32', dims: INPUT, data: drawn([size, ...INPUT], 5) } } });
const net = (): Model =>
  sequential(
    [
      conv2d(12, 3, { pad: 1 }),
      batchNorm(),
      relu(),
      conv2d(12, 3, { pad: 1 }),
      relu(),
      maxPool2d(2),
      flatten(),
      dense(40),
      relu(),
      dense(5),
    ],
    { input: INPUT, seed: 1 },
  );
const x = float32([4, ...INPUT], drawn([4, ...INPUT], 9));
const run = async (model: Model) => {
  using session = await engine.load(writeModel(model), { threads: 1 });
  return await session.run({ x });
};

it('does nothing but exact steps unless asked', async () => {
  const model = net();
  const { model: lean, rewrites, relativeError } = await compressModel(model, { run }, lab);
  expect(difference(await run(lean), await run(model))).toBeLessThan(1e-5);
  expect(relativeError).toBeLessThan(1e-5);
  expect(new Set(rewrites.map(({ method }) => method))).toEqual(new Set(['rewrite']));
  expect(rewrites[0]!.what).toMatch(/^fold-batch-norm: /);
});

it('collapses to a budget and learns from what the original answers', async () => {
  const model = net();
  const {
    model: small,
    rewrites,
    epochs,
  } = await compressModel(
    model,
    {
      run,
      data: samples(128),
      blocks: 'auto',
      keepMacs: 0.6,
      blockTraining: false,
      tune: { epochs: 4 },
      store: 'plain',
    },
    lab,
  );
  const blocks = rewrites.filter(({ method }) => method === 'collapse');
  expect(blocks.length).toBeGreaterThan(0);
  for (const { macsBefore = 0, macsAfter = 0 } of blocks) expect(macsAfter).toBeLessThan(macsBefore);
  expect(costOf(small).macs).toBeLessThanOrEqual(0.6 * costOf(model).macs);
  expect(epochs).toHaveLength(4);
  expect(epochs[3]!.loss).toBeLessThan(epochs[0]!.loss);
  await run(small);
});

it('factorises, shares and narrows in one go, and says what each did', async () => {
  const notes: string[] = [];
  const { model, rewrites, kept } = await compressModel(
    net(),
    {
      run,
      factorize: { by: 'svd', rank: { share: 0.25 } },
      palette: { bits: 4, minSize: 400 },
      store: 'float16',
    },
    { ...lab, onNote: (note) => void notes.push(note) },
  );
  const methods = new Set(rewrites.map(({ method }) => method));
  expect(methods).toEqual(new Set(['rewrite', 'factorize', 'palette', 'store']));
  expect(notes.join()).toContain('size only, not speed');
  for (const { why } of kept) expect(why).not.toBe('');
  await run(model);
});

it('refuses blocks without samples', async () => {
  await expect(compressModel(net(), { run, blocks: 'auto' }, lab)).rejects.toThrow(/fitted to what they do on samples/);
});
