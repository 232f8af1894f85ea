/** Integers in a network that learns: the slope of the floats that they stand for, and nothing on the way is lost. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand } from '../../src/grad/expand.ts';
import { removeDead, valueInfo } from '../../src/graph/edit.ts';
import type { Graph } from '../../src/graph/model.ts';
import { float32, floats, type Tensor, tensor } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { type Builder, draft } from '../../src/ops/builder.ts';
import { infer } from '../../src/ops/infer.ts';
import type { StaticValue } from '../../src/ops/op.ts';
import { type Engine, openEngine } from '../../src/runtime/index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const run = async (graph: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> => {
  const opsets = { '': 21, 'com.microsoft': 1 };
  using session = await engine.load(
    writeModel({ ir: 10, opsets, graph, producer: { name: 'test', version: '' }, metadata: {} }),
    { optimize: 'none' },
  );
  return session.run(feeds);
};

const microsoft = { domain: 'com.microsoft' };
/** A scale, or a zero point. */
const step = (g: Builder, value: number): StaticValue => g.constant(float32([], [value]));
const u8 = (g: Builder, value: number): StaticValue => g.constant(tensor('uint8', [], [value]));
const int8 = (g: Builder, dims: readonly number[], values: readonly number[]): StaticValue =>
  g.constant(tensor('int8', dims, values));

/**
 * Networks from X [1, 2, 2, 2] that are linear but for their rounding: with the weights' exact values as `W`, the slope of ΣY
 * is known whatever the rounding does.
 */
const WEIGHT = [50, -20, 30, 40]; // [2, 2, 1, 1], times 0.01
const networks: Readonly<Record<string, (g: Builder, X: StaticValue) => StaticValue>> = {
  'QuantizeLinear → DequantizeLinear around a Conv': (g, X) => {
    const x = g.DequantizeLinear(g.QuantizeLinear(X, step(g, 0.02), u8(g, 128)), step(g, 0.02), u8(g, 128));
    const w = g.DequantizeLinear(int8(g, [2, 2, 1, 1], WEIGHT), step(g, 0.01));
    const y = g.QuantizeLinear(g.Conv(x, w), step(g, 0.03), u8(g, 128));
    return g.DequantizeLinear(y, step(g, 0.03), u8(g, 128));
  },
  'QLinearConv, and integers that are moved about': (g, X) => {
    const q = g.QuantizeLinear(X, step(g, 0.02), u8(g, 128));
    const w = int8(g, [2, 2, 1, 1], WEIGHT);
    const zero = int8(g, [], [0]);
    const y = g.QLinearConv(q, step(g, 0.02), u8(g, 128), w, step(g, 0.01), zero, step(g, 0.03), u8(g, 128));
    const moved = g.Concat(
      g.Transpose(y, { perm: [0, 2, 3, 1] }),
      g.constant(tensor('uint8', [1, 1, 2, 2], [1, 2, 3, 4])),
      {
        axis: 1,
      },
    );
    return g.DequantizeLinear(g.reshape(moved, [3, 4]), step(g, 0.03), u8(g, 128));
  },
  'QLinearAdd of halves that QLinearGlobalAveragePool averages': (g, X) => {
    const q = g.QuantizeLinear(X, step(g, 0.02), u8(g, 128));
    const w = int8(g, [2, 2, 1, 1], WEIGHT);
    const zero = int8(g, [], [0]);
    const y = g.QLinearConv(q, step(g, 0.02), u8(g, 128), w, step(g, 0.01), zero, step(g, 0.03), u8(g, 128));
    const grid = [step(g, 0.03), u8(g, 128)];
    const [sum] = g.emit('QLinearAdd', [y, ...grid, y, ...grid, step(g, 0.06), u8(g, 128)], {}, microsoft);
    const [mean] = g.emit(
      'QLinearGlobalAveragePool',
      [sum!, step(g, 0.06), u8(g, 128), step(g, 0.02), u8(g, 128)],
      {},
      microsoft,
    );
    return g.Mul(g.DequantizeLinear(mean, step(g, 0.02), u8(g, 128)), 2); // 4 places, two times the same: a half of the sum, twice
  },
  'DynamicQuantizeLinear → ConvInteger → Cast': (g, X) => {
    const [q, scale, zero] = g.emit('DynamicQuantizeLinear', [X], {}, { outputs: 3 });
    const y = g.ConvInteger(q, int8(g, [2, 2, 1, 1], WEIGHT), zero);
    return g.Mul(g.Cast(y, { to: 1 }), g.Mul(scale, step(g, 0.01)));
  },
  DynamicQuantizeMatMul: (g, X) => {
    const rows = g.reshape(g.Transpose(X, { perm: [0, 2, 3, 1] }), [4, 2]);
    const columns = int8(g, [2, 2], [50, 30, -20, 40]);
    return g.emit('DynamicQuantizeMatMul', [rows, columns, step(g, 0.01)], {}, microsoft)[0]!;
  },
  MatMulIntegerToFloat: (g, X) => {
    const rows = g.reshape(g.Transpose(X, { perm: [0, 2, 3, 1] }), [4, 2]);
    const [q, scale, zero] = g.emit('DynamicQuantizeLinear', [rows], {}, { outputs: 3 });
    const columns = int8(g, [2, 2], [50, 30, -20, 40]);
    return g.emit('MatMulIntegerToFloat', [q!, columns, scale!, step(g, 0.01), zero!], {}, microsoft)[0]!;
  },
};

describe.each(Object.entries(networks))('%s', (_, network) => {
  it('keeps its outputs in floats, and dX = Wᵀ · dY', async () => {
    const building = draft();
    const { g } = building;
    const y = network(g, g.input('X', 'float32', [1, 2, 2, 2]));
    const loss = g.ReduceSum(y, { keepdims: 0 });
    const whole = building.finish([valueInfo(y.name, 'float32')]);
    const { graph, slopes } = differentiate(whole, loss.name, ['X'], infer(whole));
    const slope = slopes.get('X')!;
    const outputs = [y.name, slope].map((name) => valueInfo(name, 'float32'));
    const ready = removeDead({ ...expand(graph, infer(graph), () => true), outputs });
    const feeds = { X: float32([1, 2, 2, 2], [1, -0.9, 0.31, 0.47, -0.2, 0.66, 1.2, -1.1]) };
    const [before, after] = [await run(whole, feeds), await run(ready, feeds)];
    const want = floats(before[y.name]!);
    // A digit of a sum may tip a rounding over.
    floats(after[y.name]!).forEach((value, i) => void expect(Math.abs(value - want[i]!)).toBeLessThan(0.0601));
    // Columns of W: 0.5 + 0.3, and −0.2 + 0.4.
    const told = [0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2];
    told.forEach((value, i) => void expect(floats(after[slope]!)[i]).toBeCloseTo(value, 5));
  });
});
