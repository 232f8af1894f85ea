import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, floats, int64, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { quantizeDynamic } from './dynamic.ts';
import { storeWeights, storingLayers } from './store.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(9, 'store');
const noise = (dims: readonly number[]): Tensor =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => source.normal() / 8),
  );
const x = noise([6, 2, 16]);

/** A recurrent layer over [6, 2, 16]: by itself, or in both branches of an If, where it reads weights from outside. */
function recurrent(op: 'LSTM' | 'GRU' | 'RNN', isInside: boolean): Model {
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op];
  const { g, finish } = draft();
  const input = g.input('x', 'float32', [6, 2, 16]);
  const [w, r] = [g.constant(noise([1, gates * 32, 16]), 'w'), g.constant(noise([1, gates * 32, 32]), 'r')];
  const layer = (pen: Builder): StaticValue => pen.emit(op, [input, w, r], { hidden_size: 32 })[0]!;
  const y = isInside
    ? g.emit('If', [g.constant(tensor('bool', [], Uint8Array.of(1)), 'flag')], {
        then_branch: g.body([], (pen) => [layer(pen)]),
        else_branch: g.body([], (pen) => [pen.Neg(layer(pen))]),
      })[0]!
    : layer(g);
  const graph = { ...finish([valueInfo(y.name, 'float32', [6, 1, 2, 32])]), values: new Map() };
  return modelFrom(graph);
}

const answer = async (model: Model): Promise<Float32Array> => {
  using session = await engine.load(writeModel(model));
  return floats(Object.values(await session.run({ x }))[0]!);
};

describe.each(['LSTM', 'GRU', 'RNN'] as const)('the weights of %s', (op) => {
  it.each([false, true])('are stored in 8 bits, in a branch: %s', async (isInside) => {
    const model = recurrent(op, isInside);
    expect(storingLayers(model.graph)).toHaveLength(1);
    expect(storingLayers(model.graph, [op])).toEqual([]);
    const stored = storeWeights(model);
    const large = [...stored.graph.initializers.values()].filter(
      ({ dims }) => dims.length === 3 && sizeOf(dims) >= 512,
    );
    expect(large.filter(({ dtype }) => dtype === 'int8')).toHaveLength(2);
    expect(large.filter(({ dtype, dims }) => dtype === 'float32' && dims[2]! > 1)).toEqual([]);
    expect(writeModel(stored).length).toBeLessThan(0.45 * writeModel(model).length);
    const [a, b] = [await answer(model), await answer(stored)];
    a.forEach((value, i) => {
      expect(Math.abs(value - b[i]!)).toBeLessThan(0.01);
    });
  });
});

it('stores a transposed convolution, and a weight that the graph divides by its norm', async () => {
  const { g, finish } = draft();
  const image = g.input('x', 'float32', [1, 8, 6, 6]);
  const direction = g.constant(noise([16, 8, 3, 3]), 'direction');
  const weight = g.Mul(g.Div(direction, g.emit('ReduceL2', [direction, g.constant(int64([3], [1, 2, 3]))])[0]!), 2);
  const y = g.ConvTranspose(g.Conv(image, weight), g.constant(noise([16, 8, 4, 4]), 'up'));
  const model = modelFrom({ ...finish([valueInfo(y.name, 'float32', y.dims)]), values: new Map() });
  const { model: written, report } = await quantizeDynamic(model, { exclude: [] }, { engine });
  const large = [...written.graph.initializers.values()].filter(({ dims }) => sizeOf(dims) > 64);
  expect(large.map(({ dtype }) => dtype)).toEqual(['int8', 'int8']);
  expect(report.after.bytes).toBeLessThan(0.4 * report.before.bytes);
  const feeds = { x: noise([1, 8, 6, 6]) };
  const [a, b] = await Promise.all(
    [model, written].map(async (each) => {
      using session = await engine.load(writeModel(each));
      return floats(Object.values(await session.run(feeds))[0]!);
    }),
  );
  const peak = a!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  a!.forEach((value, i) => {
    expect(Math.abs(value - b![i]!)).toBeLessThan(0.02 * peak);
  });
});

it('takes the parts of a matrix that a graph cuts at places worked out from dimensions, each as a weight', async () => {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [2, 24]);
  const packed = g.constant(noise([48, 24]), 'in_proj');
  const [zero, axis] = [g.constant(int64([1], [0])), g.constant(int64([1], [0]))];
  const width = g.emit('Slice', [
    g.emit('Shape', [x])[0]!,
    g.constant(int64([1], [1])),
    g.constant(int64([1], [2])),
    axis,
  ])[0]!;
  const part = (from: StaticValue, to: StaticValue): StaticValue =>
    g.Transpose(g.emit('Slice', [packed, from, to, axis])[0]!, { perm: [1, 0] });
  const y = g.Add(g.MatMul(x, part(zero, width)), g.MatMul(x, part(width, g.Add(width, width))));
  const graph = { ...finish([valueInfo(y.name, 'float32', [2, 24])]), values: new Map() };
  const { model: written, report } = await quantizeDynamic(modelFrom(graph), {}, { engine });
  expect(report.quantized).toHaveLength(2);
  const large = [...written.graph.initializers.values()].filter(({ dims }) => sizeOf(dims) >= 24 * 24);
  expect(large.map(({ dtype }) => dtype)).toEqual(['int8', 'int8']);
});

it('leaves a weight that is only a fill: written out it would be all of the file', async () => {
  const { g, finish } = draft();
  const shape = g.constant(int64([2], [64, 64]));
  const fill = g.emit('ConstantOfShape', [shape], { value: float32([1], [0.5]) })[0]!;
  const y = g.MatMul(g.input('x', 'float32', [2, 64]), fill);
  const model = modelFrom({ ...finish([valueInfo(y.name, 'float32', [2, 64])]), values: new Map() });
  const { report } = await quantizeDynamic(model, {}, { engine });
  expect(report.quantized).toEqual([]);
  expect(report.after.bytes).toBeLessThan(1.1 * report.before.bytes);
});
