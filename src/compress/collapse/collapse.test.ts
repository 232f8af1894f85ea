/** Collapsing: exact where the run is linear, legal runs only, geometry as the windows say, budget kept. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { type Dataset, inMemory } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { float32, sizeOf } from '../../graph/tensor.ts';
import {
  averagePool2d,
  batchNorm,
  chainLayers,
  conv1d,
  conv2d,
  dense,
  flatten,
  type Layer,
  maxPool2d,
  permute,
  relu,
  residual,
  sequential,
} from '../../nn/index.ts';
import { writeModel } from '../../onnx/index.ts';
import { infer } from '../../ops/infer.ts';
import { difference } from '../../rewrite/index.ts';
import { type Engine, type Lab, openEngine } from '../../runtime/index.ts';
import { boundGraph } from '../observe.ts';
import { collapse } from './collapse.ts';
import { fitWindow, sightOf } from './geometry.ts';
import { entries, groundOf, leak, runBetween } from './run.ts';

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
const samples = (dims: readonly number[], size = 96): Dataset =>
  inMemory({ name: 'drawn', inputs: { x: { dtype: 'float32', dims, data: drawn([size, ...dims], 5) } } });
async function run(model: Model, dims: readonly number[]) {
  using session = await engine.load(writeModel(model), { threads: 1 });
  return await session.run({ x: float32([6, ...dims], drawn([6, ...dims], 77)) });
}

describe('a run without a bend is collapsed exactly', () => {
  const cases: { about: string; layers: Layer[]; input: number[]; kernel?: number; by: 'conv' | 'dense' | 'mixer' }[] =
    [
      { about: 'dense, dense', layers: [dense(20), dense(7)], input: [9], by: 'dense' },
      {
        about: 'conv, flatten, dense',
        layers: [conv2d(4, 3, { stride: 2 }), flatten(), dense(3)],
        input: [2, 7, 7],
        by: 'dense',
      },
      { about: '3×3, 1×1', layers: [conv2d(6, 3), conv2d(5, 1)], input: [3, 8, 9], kernel: 3, by: 'conv' },
      { about: '3×3, 3×3', layers: [conv2d(6, 3), conv2d(5, 3)], input: [2, 9, 9], kernel: 5, by: 'conv' },
      {
        about: '3×3, mean of 2×2',
        layers: [conv2d(5, 3), averagePool2d(2)],
        input: [2, 10, 12],
        kernel: 4,
        by: 'conv',
      },
      {
        about: '3×3 stride 2 padded, 1×1',
        layers: [conv2d(6, 3, { stride: 2, pad: 1 }), conv2d(4, 1)],
        input: [3, 9, 9],
        kernel: 3,
        by: 'conv',
      },
      {
        about: 'batch normalisation, 1×1',
        layers: [conv2d(6, 1), batchNorm(), conv2d(4, 1)],
        input: [3, 5, 5],
        kernel: 1,
        by: 'conv',
      },
      {
        about: 'tokens beside each other, then each alone',
        layers: [permute(2, 1), conv1d(6, 3, { pad: 1 }), permute(2, 1), dense(4)],
        input: [5, 7],
        kernel: 3,
        by: 'mixer',
      },
      {
        about: 'x + 3×3, padded',
        layers: [residual(conv2d(3, 3, { pad: 1 }))],
        input: [3, 6, 6],
        kernel: 3,
        by: 'conv',
      },
    ];
  it.each(cases)('$about', async ({ layers, input, kernel, by }) => {
    const model = sequential(layers, { input, seed: 2 });
    const block = { from: 'x', to: 'y', by, ...(kernel && { kernel }) };
    const { model: one, report } = await collapse(model, { blocks: [block] }, samples(input, 384), lab);
    expect(difference(await run(one, input), await run(model, input))).toBeLessThan(1e-5);
    expect(report.rewrites[0]!.error).toBeLessThan(1e-5);
    expect(report.after.macs - report.before.macs).toBe(report.rewrites[0]!.macsAfter - report.rewrites[0]!.macsBefore);
    expect(one.graph.nodes.filter(({ op }) => op === 'Conv' || op === 'Gemm')).toHaveLength(1);
  });
});

it('an activation at the end stays, and the layer in front of it is fitted: exact again', async () => {
  const model = sequential([conv2d(6, 3), conv2d(5, 1), relu(), maxPool2d(2), flatten(), dense(3)], {
    input: [2, 9, 9],
  });
  const end = model.graph.nodes.find(({ op }) => op === 'Relu')!.outputs[0]!;
  const { model: one, report } = await collapse(
    model,
    { blocks: [{ from: 'x', to: end, by: 'conv' }] },
    samples([2, 9, 9]),
    lab,
  );
  expect(report.rewrites[0]!.what).toContain('then Relu');
  expect(difference(await run(one, [2, 9, 9]), await run(model, [2, 9, 9]))).toBeLessThan(1e-5);
});

it('conv, relu, max-pool: the pool goes into the layer, the relu stays', async () => {
  const model = sequential([conv2d(6, 3), relu(), maxPool2d(2), flatten(), dense(3)], { input: [2, 9, 9] });
  const end = model.graph.nodes.find(({ op }) => op === 'MaxPool')!.outputs[0]!;
  const { model: one, report } = await collapse(
    model,
    { blocks: [{ from: 'x', to: end, by: 'conv' }] },
    samples([2, 9, 9]),
    lab,
  );
  expect(one.graph.nodes.map(({ op }) => op)).toEqual(['Conv', 'Relu', 'Flatten', 'Gemm']);
  expect(report.rewrites[0]!.what).toContain('conv 4×4, stride 2, then Relu');
  expect(report.rewrites[0]!.error).toBeLessThan(1);
  await run(one, [2, 9, 9]);
});

it('training on the block error never makes it worse', async () => {
  const model = sequential([conv2d(8, 3), relu(), conv2d(6, 3), relu(), flatten(), dense(3)], { input: [2, 8, 8] });
  const [, end] = model.graph.nodes.filter(({ op }) => op === 'Relu').map(({ outputs }) => outputs[0]!);
  const block = { from: 'x', to: end!, by: 'depthwise-separable', kernel: 5 } as const;
  const { report } = await collapse(
    model,
    { blocks: [block], train: { epochs: 4, lr: 3e-3 } },
    samples([2, 8, 8], 192),
    lab,
  );
  const [, before, after] = /R² (-?[\d.]+) → (-?[\d.]+)/.exec(report.rewrites[0]!.what)!.map(Number);
  expect(after).toBeGreaterThanOrEqual(before!);
});

it('refuses runs with a second way in or out', () => {
  const model = sequential(
    [residual(chainLayers(conv2d(3, 3, { pad: 1 }), relu(), conv2d(3, 3, { pad: 1 }))), relu(), flatten(), dense(2)],
    { input: [3, 6, 6] },
  );
  const ground = groundOf(model.graph);
  const [first, add] = [model.graph.nodes[0]!, model.graph.nodes.find(({ op }) => op === 'Add')!];
  expect(runBetween(ground, 'x', add.outputs[0]!).nodes.size).toBe(4);
  expect(() => runBetween(ground, first.outputs[0]!, add.outputs[0]!)).toThrow(/does not follow from/);
  expect(() => runBetween(ground, 'x', 'nothing')).toThrow(/no node makes/);
  // The second convolution alone is a run; the whole block up to it leaks nothing but `to`.
  const inner = [...entries(ground, add.inputs[0]!)].map((one) => [one.from, leak(one, ground)]);
  expect(inner[0]).toEqual([model.graph.nodes[1]!.outputs[0], undefined]);
});

it('sees how far the windows reach', () => {
  const model = sequential([conv2d(2, 3, { pad: 1 }), relu(), maxPool2d(2), conv2d(2, 5, { stride: 2, pad: 1 })], {
    input: [1, 20, 20],
  });
  const facts = infer(boundGraph(model.graph, samples([1, 20, 20], 1), 1));
  const sight = sightOf(runBetween(groundOf(model.graph), 'x', 'y'), facts)!;
  // By hand: 3 (start −1); pool 2: reach 4, step 2; conv 5 of step 2: reach 4 + 4·2 = 12, start −1 − 2, step 4.
  expect(sight[0]).toEqual({ step: 4, reach: 12, start: -3 });
  expect(fitWindow(20, 4, 4, sight[0])).toBeUndefined(); // it would begin inside the input
  expect(fitWindow(20, 4, 8, sight[0])).toEqual({ kernel: 8, stride: 4, begin: 1, end: 0 });
  expect(fitWindow(20, 4, 5, sight[0])).toBeUndefined(); // an odd window has its middle elsewhere
});

it('auto: keeps the budget, takes nothing twice, reports each block', async () => {
  const layers = [1, 2, 3].flatMap(() => [conv2d(8, 3, { pad: 1 }), relu()]);
  const model = sequential([...layers, flatten(), dense(4)], { input: [3, 8, 8] });
  const { model: small, report } = await collapse(model, { keep: { macs: 0.6 } }, samples([3, 8, 8]), lab);
  expect(report.after.macs).toBeLessThanOrEqual(0.6 * report.before.macs);
  expect(report.rewrites.length).toBeGreaterThan(0);
  const saved = report.rewrites.reduce((sum, { macsBefore, macsAfter }) => sum + macsBefore - macsAfter, 0);
  expect(report.before.macs - report.after.macs).toBe(saved);
  await run(small, [3, 8, 8]);
});

it.each([
  ['means far above the spread', (x: number) => 100 + 0.01 * x],
  ['nothing but zeros', () => 0],
])('goes on where a run reads %s', async (_, of) => {
  const dims = [16];
  const data = drawn([96, ...dims], 5).map(of);
  const flat = inMemory({ name: 'flat', inputs: { x: { dtype: 'float32', dims, data } } });
  const model = sequential([dense(24), relu(), dense(24), relu(), dense(4)], { input: dims });
  const { model: small } = await collapse(model, { blocks: 'auto', keep: { macs: 0.5 } }, flat, lab);
  expect(Object.values(await run(small, dims))[0]!.dims).toEqual([6, 4]);
});
