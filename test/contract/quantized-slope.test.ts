/** Integer products in a network that learns: the same output in smaller ops, and the slope of the rounded floats. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand } from '../../src/grad/expand.ts';
import { removeDead, valueInfo } from '../../src/graph/edit.ts';
import type { Graph } from '../../src/graph/model.ts';
import { float32, floats, type Tensor, tensor } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { draft } from '../../src/ops/builder.ts';
import { infer } from '../../src/ops/infer.ts';
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

it('DynamicQuantizeMatMul: expanded it computes the same, and dA = dY · (scale · (B − zero))ᵀ', async () => {
  const building = draft();
  const { g } = building;
  const A = g.input('A', 'float32', [2, 2]);
  const B = g.constant(tensor('int8', [2, 3], [1, -2, 3, 4, 5, -6]));
  const scale = g.constant(float32([3], [0.5, 0.1, 0.2]));
  const zero = g.constant(tensor('int8', [3], [0, 1, 2]));
  const bias = g.constant(float32([3], [1, 2, 3]));
  const [y] = g.emit('DynamicQuantizeMatMul', [A, B, scale, zero, bias], {}, { domain: 'com.microsoft' });
  const loss = g.ReduceSum(y!, { keepdims: 0 });
  const whole = building.finish([valueInfo(y!.name, 'float32')]);
  const { graph, slopes } = differentiate(whole, loss.name, ['A'], infer(whole));
  const slope = slopes.get('A')!;
  const outputs = [y!.name, slope].map((name) => valueInfo(name, 'float32'));
  const ready = removeDead({ ...expand(graph, infer(graph), () => true), outputs });
  const feeds = { A: float32([2, 2], [1, -2, 0.3, 4]) };
  const [before, after] = [await run(whole, feeds), await run(ready, feeds)];
  const want = floats(before[y!.name]!);
  floats(after[y!.name]!).forEach((value, i) => void expect(value).toBeCloseTo(want[i]!, 5));
  // Row sums of the weights as floats: 0.5 − 0.3 + 0.2, and 2 + 0.4 − 1.6.
  [0.4, 0.8, 0.4, 0.8].forEach((value, i) => void expect(floats(after[slope]!)[i]).toBeCloseTo(value, 5));
});
