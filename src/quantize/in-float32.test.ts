import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { bind, inMemory, portsOf } from '../data/index.ts';
import type { Model, ValueInfo } from '../graph/model.ts';
import { numbers, sizeOf, tensor, toHalf } from '../graph/tensor.ts';
import { conv2d, dense, flatten, relu, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { compare } from './agreement.ts';
import { quantizeDynamic } from './dynamic.ts';
import { inFloat32 } from './in-float32.ts';
import { toNormalFloat } from './normal-float.ts';
import { quantize } from './quantize.ts';
import { quantizeWeights } from './weight-only.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(1, 'images');
const normals = (count: number): number[] => Array.from({ length: count }, () => source.normal());
const layers = [conv2d(16, 3), relu(), conv2d(16, 3), relu(), flatten(), dense(10)];
const wide = sequential(layers, { input: [3, 8, 8] });

/** The network with weights, inputs and outputs in 16 bits. */
const half: Model = (() => {
  const { graph } = wide;
  const narrow = (info: ValueInfo): ValueInfo =>
    info.type?.kind === 'tensor' && info.type.dtype === 'float32'
      ? { ...info, type: { ...info.type, dtype: 'float16' } }
      : info;
  const initializers = new Map(
    [...graph.initializers].map(([name, t]) => {
      if (t.dtype !== 'float32') return [name, t];
      return [
        name,
        tensor(
          'float16',
          t.dims,
          normals(sizeOf(t.dims)).map((value) => toHalf(value / 8)),
        ),
      ];
    }),
  );
  return {
    ...wide,
    graph: {
      ...graph,
      initializers,
      inputs: graph.inputs.map(narrow),
      outputs: graph.outputs.map(narrow),
      values: new Map(),
    },
  };
})();
const images = inMemory({
  name: 'noise',
  inputs: {
    x: { dtype: 'float32', dims: [3, 8, 8], data: Float32Array.from(normals(24 * 192)) },
  },
});
const data = bind(images, portsOf(half.graph));
const types = ({ graph }: Model) => [...graph.inputs, ...graph.outputs].map(({ type }) => type);

it('computes in float32 between the same ends', async () => {
  const model = inFloat32(half);
  expect(types(model)).toEqual(types(half));
  expect([...model.graph.initializers.values()].some(({ dtype }) => dtype === 'float16')).toBe(false);
  using one = await engine.load(writeModel(half));
  using two = await engine.load(writeModel(model));
  const x = tensor(
    'float16',
    [2, 3, 8, 8],
    Array.from({ length: 384 }, (_, i) => toHalf(Math.sin(i))),
  );
  const name = half.graph.inputs[0]!.name;
  const [a, b] = [await one.run({ [name]: x }), await two.run({ [name]: x })].map((y) => numbers(Object.values(y)[0]!));
  expect(Math.max(...a!)).toBeGreaterThan(0.1);
  b!.forEach((value, i) => {
    expect(Math.abs(value - a![i]!)).toBeLessThan(1e-2);
  });
});

it('leaves a model in float32 as it is', () => {
  expect(inFloat32(wide)).toBe(wide);
});

it('puts networks in 16 bits on integers', async () => {
  const { model, report } = await quantize(half, { data }, { engine });
  expect(types(model)).toEqual(types(half));
  expect(report.quantized).toBeGreaterThanOrEqual(3);
  expect(report.agreement.samples).toBe(24);
  expect(report.agreement.cosine).toBeGreaterThan(0.99);
  expect(report.agreement.cosine).toBeLessThan(1);
  expect((await quantizeDynamic(half, {}, { engine })).report.quantized).toHaveLength(1);
});

it.each([
  ['blocks', async () => (await quantizeWeights(half, { method: 'awq', data, samples: 8 }, { engine })).model],
  ['NF4', async () => toNormalFloat(half).model],
])('stores dense layers of networks in 16 bits in %s, and the rest as it was', async (_, quantized) => {
  const model = await quantized();
  expect(types(model)).toEqual(types(half));
  expect(
    [...model.graph.initializers.values()].filter(({ dims }) => dims.length === 4).map(({ dtype }) => dtype),
  ).toEqual(['float16', 'float16']);
  expect(writeModel(model).length).toBeLessThan(0.75 * writeModel(half).length);
  expect((await compare(half, model, data, [0, 1, 2, 3, 4, 5, 6, 7], { engine })).cosine).toBeGreaterThan(0.98);
});
