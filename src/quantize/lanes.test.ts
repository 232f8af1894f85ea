import { expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { costOf } from '../cost/cost.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Graph } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { openEngine } from '../runtime/index.ts';
import { missingLanes, missingResults, widenCodes, widerResults } from './lanes.ts';
import { planOf } from './plan.ts';
import { quantize } from './quantize.ts';

const source = random(5, 'lanes');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal() / 3);

it('adds channels up to the next four, to whole convolutions of few channels only', () => {
  expect(missingLanes([16, 3, 3, 3], 0, ['N', 3, 8, 8])).toBe(1);
  expect(missingLanes([16, 1, 3, 3], 0, ['N', 1, 8, 8])).toBe(3);
  expect(missingLanes([16, 8, 3, 3], 0, ['N', 8, 8, 8])).toBe(0);
  expect(missingLanes([16, 1, 3, 3], 0, ['N', 16, 8, 8])).toBe(0); // depthwise
  expect(missingLanes([16, 67, 3, 3], 0, ['N', 67, 8, 8])).toBe(0);
  expect(missingLanes([3, 10], 1, ['N', 3])).toBe(0); // a matrix
});

it('puts zeros behind the channels of each output', () => {
  // [O = 2, C = 1, 2] → [2, 3, 2]
  const wide = widenCodes(Int8Array.of(1, 2, 3, 4), [2, 1, 2], 2);
  expect([...wide]).toEqual([1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]);
});

it('fills up results to sixteen and to fours where the kernel computes no more than twice as much', () => {
  expect([4, 8, 12, 15, 16, 18, 24, 63, 64, 66].map(missingResults)).toEqual([0, 8, 4, 1, 0, 2, 0, 1, 0, 0]);
});

/** A convolution of 12 channels, something behind it, and another convolution. */
function chain(between: (g: Builder, x: StaticValue) => StaticValue, alsoOut = false): Graph {
  const { g, finish } = draft();
  const w = (O: number, C: number) => g.constant(float32([O, C, 3, 3], noise(O * C * 9)), 'w');
  const first = g.Conv(g.input('x', 'float32', [2, 3, 9, 9]), w(12, 3), g.constant(float32([12], noise(12)), 'b'));
  const last = g.Conv(between(g, first), w(16, 12));
  return finish((alsoOut ? [last, first] : [last]).map(({ name, dims }) => valueInfo(name, 'float32', dims)));
}
const wider = (graph: Graph): number[] => {
  const facts = infer(graph);
  return [...widerResults(graph, facts, planOf(graph, facts)).values()];
};

it('fills up where convolutions alone read the result, past what moves channels one by one', () => {
  const pool = { kernel_shape: [2, 2] };
  expect(wider(chain((g, x) => g.MaxPool(g.Relu(x), pool)))).toEqual([4, 4, 4]);
  expect(wider(chain((g, x) => g.Relu(x), true))).toEqual([]);
  expect(wider(chain((g, x) => g.Transpose(x, { perm: [0, 1, 3, 2] })))).toEqual([4, 4]);
  expect(wider(chain((g, x) => g.Reshape(x, [2, 12, 7, 7])))).toEqual([]);
  expect(wider(chain((g, x) => g.Add(x, x)))).toEqual([]);
});

it('changes no answer, whatever bits and scales', async () => {
  using engine = await openEngine({ threads: 1 });
  const graph = { ...chain((g, x) => g.MaxPool(g.Relu(x), { kernel_shape: [2, 2] })), values: new Map() };
  const model = modelFrom(graph);
  const x = noise(16 * 3 * 81);
  const data = inMemory({ name: 'noise', inputs: { x: { dtype: 'float32', dims: [3, 9, 9], data: x } } });
  for (const options of [{}, { perChannel: false }, { weightBits: 4 }, { pairSafe: true }]) {
    const { model: written, report } = await quantize(model, { data, ...options }, { engine });
    const dims = [...written.graph.initializers.values()]
      .filter(({ dims: { length } }) => length === 4)
      .map((w) => w.dims);
    expect(dims).toEqual([
      [16, 4, 3, 3],
      [16, 16, 3, 3],
    ]);
    expect(costOf(written).macs).toBe(costOf(model).macs);
    expect(report.agreement.cosine).toBeGreaterThan('weightBits' in options ? 0.97 : 0.999);
  }
});

it('keeps a weight that two branches share apart where only one of them is filled up', async () => {
  using engine = await openEngine({ threads: 1 });
  const { g, finish } = draft();
  const [w, v] = [[8, 3] as const, [16, 8] as const].map(([O, C]) =>
    g.constant(float32([O, C, 3, 3], noise(O * C * 9)), 'w'),
  );
  const first = ['a', 'b'].map((name) => g.Relu(g.Conv(g.input(name, 'float32', [1, 3, 9, 9]), w!)));
  const last = first.map((x) => g.Conv(x, v!));
  const outputs = [g.Sub(last[0]!, last[1]!), g.Mul(first[0]!, 2)];
  const graph = finish(outputs.map(({ name, dtype, dims }) => valueInfo(name, dtype, dims)));
  const dims = [3, 9, 9];
  const inputs = {
    a: { dtype: 'float32', dims, data: noise(16 * 243) },
    b: { dtype: 'float32', dims, data: noise(16 * 243) },
  } as const;
  const data = inMemory({ name: 'pairs', inputs });
  const { model, report } = await quantize(modelFrom(graph), { data }, { engine });
  const kernels = [...model.graph.initializers.values()].map((t) => t.dims).filter(({ length }) => length === 4);
  expect(kernels).toContainEqual([16, 8, 3, 3]);
  expect(kernels).toContainEqual([16, 16, 3, 3]);
  expect(report.agreement.cosine).toBeGreaterThan(0.99);
});
