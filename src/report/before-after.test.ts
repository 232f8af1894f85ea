import { afterAll, beforeAll, expect, it } from 'vitest';
import { noise, portsOf } from '../data/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { Value } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { beforeAfter } from './before-after.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

it('leaves the score out, and says so, where a model does not give one answer a sample', async () => {
  const { g, finish } = draft<Value>();
  const y = g.ReduceSum(g.input('x', 'float32', ['N', 3]), undefined, { keepdims: 0 });
  const graph = finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]);
  const model = modelFrom(graph);
  const notes: string[] = [];
  const lab = { engine, seed: 0, onNote: (text: string) => void notes.push(text) };
  const sum = { name: 'sum', model };
  const options = { eval: noise(portsOf(graph), { size: 4 }), batches: [] };
  const { before, after } = await beforeAfter(sum, sum, lab, options);
  expect([before.metric, after.metric]).toEqual([undefined, undefined]);
  expect(notes).toEqual(['The first output of "sum" does not hold a row for each sample. Agreement is not measured.']);
});
