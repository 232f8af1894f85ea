import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import type { Attr, Model } from '../graph/model.ts';
import { float32, sizeOf, type Tensor } from '../graph/tensor.ts';
import { readModel, writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { type Builder, draft } from './builder.ts';
import { modelFrom } from './model-of.ts';
import type { StaticValue } from './op.ts';
import { SPARE, withoutSpare } from './spare-attributes.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'spare');
const noise = (dims: readonly number[]): Tensor =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => source.normal()),
  );
const SIZE = [2, 4, 9, 8];
const x = noise(SIZE);

const made = (make: (g: Builder, x: StaticValue) => StaticValue): Model => {
  const { g, finish } = draft();
  return modelFrom(finish([make(g, g.input('x', 'float32', SIZE))]));
};
const answer = async (model: Model) => {
  using session = await engine.load(writeModel(model));
  return await session.run({ x });
};
const attrsIn = ({ graph }: Model): (readonly [string, Attr])[] =>
  graph.nodes.flatMap(({ attrs }) => Object.entries(attrs));

const WINDOW = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], auto_pad: 'NOTSET' };
const SPOKEN: Readonly<Record<string, (g: Builder, x: StaticValue) => StaticValue>> = {
  Conv: (g, x) => g.Conv(x, g.constant(noise([6, 4, 3, 2])), { ...WINDOW, kernel_shape: [3, 2], group: 1 }),
  ConvTranspose: (g, x) =>
    g.ConvTranspose(x, g.constant(noise([4, 3, 3, 2])), { ...WINDOW, kernel_shape: [3, 2], group: 1 }),
  MaxPool: (g, x) => g.MaxPool(x, { ...WINDOW, kernel_shape: [3, 2], ceil_mode: 0, storage_order: 0 }),
  AveragePool: (g, x) => g.AveragePool(x, { ...WINDOW, kernel_shape: [3, 2], ceil_mode: 0, count_include_pad: 0 }),
  Gemm: (g, x) =>
    g.Gemm(g.Flatten(x, { axis: 1 }), g.constant(noise([4 * 9 * 8, 5])), { alpha: 1, beta: 1, transA: 0, transB: 0 }),
  Resize: (g, x) =>
    g.emit('Resize', [x, undefined, g.constant(float32([4], [1, 1, 2, 1.5]))] as StaticValue[], {
      coordinate_transformation_mode: 'half_pixel',
      mode: 'nearest',
      nearest_mode: 'round_prefer_floor',
      cubic_coeff_a: -0.75,
    })[0]!,
};

describe.each(Object.keys(SPOKEN))('%s', (op) => {
  it('computes the same without what it says for nothing', async () => {
    const model = made(SPOKEN[op]!);
    const lean = withoutSpare(model);
    const left = attrsIn(lean).map(([name]) => name);
    expect(left).toEqual(op.endsWith('Pool') ? ['kernel_shape'] : []);
    expect(await answer(lean)).toEqual(await answer(model));
    expect(withoutSpare(readModel(writeModel(lean))).graph.nodes).toHaveLength(lean.graph.nodes.length);
  });
});

it('keeps what says something', async () => {
  const attrs = { kernel_shape: [3, 2], strides: [2, 1], dilations: [1, 2], pads: [0, 1, 0, 0], group: 2 };
  const model = made((g, x) => g.Conv(x, g.constant(noise([6, 2, 3, 2])), attrs));
  const lean = withoutSpare(model);
  expect(attrsIn(lean).map(([name]) => name)).toEqual(['strides', 'dilations', 'pads', 'group']);
  expect(await answer(lean)).toEqual(await answer(model));
  expect(withoutSpare(lean)).toBe(lean);
});

it('knows the defaults of the standard', () => {
  const standard = JSON.parse(
    readFileSync(new URL('../../test/oracle/spare-attributes.json', import.meta.url), 'utf8'),
  ) as Record<string, Record<string, unknown>>;
  for (const [op, { defaults }] of Object.entries(SPARE)) expect(standard[op]).toMatchObject(defaults);
});
