/** Narrow storage: exact weights give the same outputs to the bit, rounded ones nearly, both in half the bytes. */

import { expect, it } from 'vitest';
import { float32, floats, fromHalf, toHalf } from '../../graph/tensor.ts';
import { dense, relu, sequential } from '../../nn/index.ts';
import { writeModel } from '../../onnx/index.ts';
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
  expect(exact.report.narrowed).toEqual([first]);
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
