import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import type { Graph } from '../graph/model.ts';
import { float32, floats, int64 } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { engineBytes, withStatedOutputs } from './program.ts';
import { rebatched } from './rebatch.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(1, 'rebatch');
const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());
const to = (g: Builder, x: StaticValue, ...dims: number[]): StaticValue =>
  g.Reshape(x, g.constant(int64([dims.length], dims), 'to'));

/** As exporters write a block of attention for one sample: steps first, and numbers in every reshape. */
const attention = (g: Builder, x: StaticValue): StaticValue => {
  const token = g.constant(float32([1, 1, 8], draw(8)), 'class_token');
  const W = g.constant(float32([8, 8], draw(64)), 'W');
  const steps = g.Transpose(g.Concat(token, x, { axis: 1 }), { perm: [1, 0, 2] }); // [6, 1, 8]
  const heads = g.Transpose(to(g, g.MatMul(steps, W), 6, 2, 4), { perm: [1, 0, 2] }); // [2, 6, 4]
  const perSample = to(g, heads, 1, 2, 6, 4);
  const share = g.Softmax(g.MatMul(perSample, g.Transpose(perSample, { perm: [0, 1, 3, 2] })), { axis: -1 });
  const back = g.Transpose(g.MatMul(share, perSample), { perm: [2, 0, 1, 3] }); // [6, 1, 2, 4]
  const flat = g.MatMul(to(g, back, 6, 8), W);
  return g.Transpose(to(g, flat, 6, 1, 8), { perm: [1, 0, 2] });
};
const flattened = (g: Builder, x: StaticValue): StaticValue => to(g, x, 1, 40);
const stretched = (g: Builder, x: StaticValue): StaticValue =>
  to(g, g.Expand(to(g, x, 1, 1, 5, 8), g.ints([1, 3, 5, 8])), 1, -1);

async function run(graph: Graph, output: string, x: Float32Array, batch: number): Promise<Float32Array> {
  const inputs = [{ name: 'x', type: { kind: 'tensor' as const, dtype: 'float32' as const, dims: [batch, 5, 8] } }];
  using session = await engine.load(engineBytes(withStatedOutputs({ ...graph, inputs })));
  return floats((await session.run({ x: float32([batch, 5, 8], x) }))[output]!);
}

it.each([
  ['attention with a class token', attention],
  ['a flattened map', flattened],
  ['an expanded value', stretched],
])('%s for one sample answers three alike', async (_, build) => {
  const building = draft();
  const x = building.g.input('x', 'float32', [1, 5, 8]);
  const { name } = build(building.g, x);
  const one = building.finish([{ name }]);
  const three = rebatched(one, 1, 3);
  expect(infer(three, { inputs: { x: [3, 5, 8] } }).get(name)?.dims[0]).toBe(3);
  const samples = draw(3 * 40);
  const together = await run(three, name, samples, 3);
  for (let i = 0; i < 3; i++) {
    const alone = await run(one, name, samples.slice(i * 40, (i + 1) * 40), 1);
    alone.forEach((value, k) => {
      expect(together[i * alone.length + k]).toBeCloseTo(value, 5);
    });
  }
});
