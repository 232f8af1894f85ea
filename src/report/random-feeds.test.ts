import { afterAll, beforeAll, expect, it } from 'vitest';
import { fixedBatch } from '../data/port.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { randomFeeds, randomRun } from './random-feeds.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** x [batch, time] + table of 6 positions, a state [2, batch] and a number without axes. */
function model(): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [3, 6]);
  const state = g.input('state', 'float32', [2, 3]);
  const k = g.input('k', 'int64', []);
  const sum = g.Add(x, g.constant(float32([1, 6], new Float32Array(6)), 'table'));
  const y = g.Mul(g.Add(sum, g.ReduceSum(g.Transpose(state, { perm: [1, 0] }), [1])), g.Cast(k, { to: 1 }));
  const graph = finish([{ name: y.name }]);
  const inputs = [
    valueInfo('x', 'float32', ['batch', 'time']),
    valueInfo('state', 'float32', [2, 'batch']),
    valueInfo('k', 'int64', []),
  ];
  return modelFrom({ ...graph, inputs });
}

it('axes of the batch are alike wherever they stand; inputs without axes get a number', () => {
  const feeds = randomFeeds(model().graph, 5, 1);
  expect(Object.values(feeds).map(({ dims }) => dims)).toEqual([[5, 16], [2, 5], []]);
  expect(fixedBatch(model().graph)).toBeUndefined();
  expect(randomFeeds(model().graph, 5, 1, { time: 6 })['x']!.dims).toEqual([5, 6]);
});

it('lengths are tried until the model runs, and the first complaint is told when none will do', async () => {
  const own = model();
  const lab = { engine, threads: 1 };
  using session = await engine.load(writeModel(own));
  await expect(randomRun(session, own.graph, 3, lab, { time: 5 })).rejects.toThrow(/broadcast/);
  const { feeds, outputs } = await randomRun(session, own.graph, 3, lab);
  expect(feeds['x']!.dims).toEqual([3, 1]);
  expect(Object.values(outputs)[0]!.dims).toEqual([3, 6]);
});
