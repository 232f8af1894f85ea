import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import { float32, floats } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { compare } from './agreement.ts';
import { calibrate, calibratorOf } from './calibrated.ts';
import { labelOf } from './plan.ts';
import { prepare } from './prepare.ts';
import { mixture } from './slow-layers.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

it('takes slices of the image into the first layer where that stays in floats', async () => {
  const source = random(4, 'focus');
  const noise = (count: number) => Float32Array.from({ length: count }, () => source.normal());
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [4, 3, 8, 8]);
  const parts = [0, 1].flatMap((column) => [0, 1].map((row) => g.Slice(x, [row, column], [8, 8], [2, 3], [2, 2])));
  const y = g.Conv(g.Concat(...parts, { axis: 1 }), g.constant(float32([16, 12, 3, 3], noise(1728)), 'w'));
  const graph = { ...finish([valueInfo(y.name, 'float32', y.dims)]), values: new Map() };
  const original = modelFrom(graph);
  const data = inMemory({ name: 'noise', inputs: { x: { dtype: 'float32', dims: [3, 8, 8], data: noise(4 * 192) } } });
  const samples = Int32Array.from([0, 1, 2, 3]);
  const model = prepare(original);
  const calibrated = await calibrate(model, calibratorOf(), data, samples, { engine }, { everywhere: true });
  const conv = labelOf(model.graph.nodes.find(({ op }) => op === 'Conv')!);
  const opsOf = (slow: string[]) => mixture(calibrated, {}, slow).model.graph.nodes.map(({ op }) => op);
  expect(opsOf([])).toContain('Slice');
  expect(opsOf([conv])).toEqual(['Cast', 'Mul', 'Conv']);
  const close = await compare(original, mixture(calibrated, {}, [conv]).model, data, samples, { engine });
  expect(close.cosine).toBeGreaterThan(0.9999);
});

it('keeps normalisations and Gelu whole that exporters take apart: their constants do not move into the layers behind them', async () => {
  const source = random(5, 'parts');
  const noise = (dims: readonly number[]) =>
    float32(
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => source.normal()),
    );
  const { g, finish } = draft();
  const scalar = (value: number) => g.constant(float32([], [value]));
  const x = g.input('x', 'float32', [4, 6, 16]);
  const centred = g.Sub(x, g.ReduceMean(x, [-1], { keepdims: 1 }));
  const variance = g.ReduceMean(g.Pow(centred, scalar(2)), [-1], { keepdims: 1 });
  const even = g.Div(centred, g.Sqrt(g.Add(variance, scalar(1e-5))));
  const normal = g.Add(g.Mul(even, g.constant(noise([16]))), g.constant(noise([16])));
  const h = g.MatMul(normal, g.constant(noise([16, 32])));
  const gelu = g.Mul(g.Mul(h, g.Add(g.Erf(g.Div(h, scalar(Math.SQRT2))), scalar(1))), scalar(0.5));
  const y = g.MatMul(gelu, g.constant(noise([32, 4])));
  const original = modelFrom({ ...finish([valueInfo(y.name, 'float32', y.dims)]), values: new Map() });
  const model = prepare(original);
  expect(model.graph.nodes.map(({ op }) => op)).toEqual(['LayerNormalization', 'MatMul', 'Gelu', 'MatMul']);
  const data = inMemory({
    name: 'noise',
    inputs: { x: { dtype: 'float32', dims: [6, 16], data: floats(noise([4, 6, 16])) } },
  });
  const close = await compare(original, model, data, [0, 1, 2, 3], { engine });
  expect(close.cosine).toBeGreaterThan(0.999999);
});
