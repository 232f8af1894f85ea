/** Narrow storage: exact weights give the same outputs to the bit, rounded ones nearly, both in half the bytes. */

import { expect, it } from 'vitest';
import { float32, floats, fromHalf, int64, toHalf } from '../../graph/tensor.ts';
import { dense, relu, sequential } from '../../nn/index.ts';
import { writeModel } from '../../onnx/index.ts';
import { draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import { difference } from '../../rewrite/index.ts';
import { openEngine } from '../../runtime/index.ts';
import { storeNarrow } from './narrow.ts';

it('halves the bytes of weights, exactly or rounded', async () => {
  const model = sequential([dense(32), relu(), dense(32), relu(), dense(4)], { input: [32] });
  const [first] = [...model.graph.initializers.keys()];
  const rounded = floats(model.graph.initializers.get(first!)!).map((x) => fromHalf(toHalf(x)));
  const initializers = new Map([...model.graph.initializers, [first!, float32([32, 32], rounded)] as const]);
  const mixed = { ...model, graph: { ...model.graph, initializers } };
  const exact = storeNarrow(mixed);
  expect(exact.report.narrowed).toEqual([{ name: first, from: 'float32', to: 'float16' }]);
  expect(exact.report.bytes.before - exact.report.bytes.after).toBe(2 * 32 * 32);
  const all = storeNarrow(mixed, { exact: false });
  expect(all.report.narrowed).toHaveLength(3);
  using engine = await openEngine({ threads: 1 });
  const feeds = {
    x: float32(
      [1, 32],
      Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
    ),
  };
  const run = async (one: typeof model) => {
    using session = await engine.load(writeModel(one));
    return await session.run(feeds);
  };
  const expected = await run(mixed);
  expect(difference(await run(exact.model), expected)).toBe(0);
  expect(difference(await run(all.model), expected)).toBeLessThan(2e-3);
});

it('whole numbers go into the smallest integers, and what does not fit stays', async () => {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [1, 100]);
  const counted = (from: number): number[] => Array.from({ length: 100 }, (_, i) => from + i);
  const flat = counted(0).map((i) => (i % 7 === 0 ? -0 : i));
  const sum = g.Add(
    g.Add(x, g.constant(float32([100], counted(-50)), 'signed')),
    g.constant(float32([100], flat), 'zero'),
  );
  const picked = g.Gather(sum, g.constant(int64([100], counted(0)), 'places'), { axis: 1 });
  const wide = g.Cast(g.constant(int64([100], counted(2 ** 40)), 'far'), { to: 1 });
  const y = g.Add(picked, wide);
  const graph = finish([{ name: y.name, type: { kind: 'tensor', dtype: 'float32', dims: [1, 100] } }]);
  const model = modelFrom(graph);
  const { model: small, report } = storeNarrow(model);
  expect(report.narrowed).toEqual([
    { name: 'signed', from: 'float32', to: 'int8' },
    { name: 'zero', from: 'float32', to: 'float16' },
    { name: 'places', from: 'int64', to: 'uint8' },
  ]);
  using engine = await openEngine({ threads: 1 });
  const feeds = { x: float32([1, 100], counted(3).map(Math.sin)) };
  using before = await engine.load(writeModel(model));
  using after = await engine.load(writeModel(small));
  expect(await after.run(feeds)).toEqual(await before.run(feeds));
});
