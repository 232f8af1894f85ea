import { afterAll, beforeAll, expect, it } from 'vitest';
import { noise, portsOf } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import { float32 } from '../graph/tensor.ts';
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

it('leaves times out, and says so, where no length is known at which the original runs; layers count at the lengths given', async () => {
  const { g, finish } = draft();
  const y = g.MatMul(g.input('x', 'float32', [1, 37]), g.constant(float32([37, 3], new Float32Array(111)), 'w'));
  const graph = finish([valueInfo(y.name, 'float32', ['N', 3])]);
  const model = modelFrom({ ...graph, inputs: [valueInfo('x', 'float32', ['N', 'T'])], values: new Map() });
  const notes: string[] = [];
  const lab = { engine, seed: 0, onNote: (text: string) => void notes.push(text) };
  const subject = { name: 'product', model };
  const { before } = await beforeAfter(subject, subject, lab, { batches: [1] });
  expect(before.latencyMs).toEqual({});
  expect(notes.at(-1)).toContain('--dim');
  const { layers } = await beforeAfter(subject, subject, lab, { batches: [], dims: { T: 37 } });
  expect(layers[0]!.before!.macs).toBe(111);
});

it('leaves times out, and says so, where an input takes texts', async () => {
  const { g, finish } = draft();
  const y = g.Relu(g.input('x', 'float32', ['N', 3]));
  const graph = finish([valueInfo(y.name, 'float32', ['N', 3])]);
  const inputs = [...graph.inputs, valueInfo('words', 'string', ['N', 1])];
  const subject = { name: 'texts', model: modelFrom({ ...graph, inputs }) };
  const notes: string[] = [];
  const lab = { engine, seed: 0, onNote: (text: string) => void notes.push(text) };
  const { before } = await beforeAfter(subject, subject, lab, { batches: [1] });
  expect(before.latencyMs).toEqual({});
  expect(notes).toEqual(['random samples cannot feed the input "words": it is not timed']);
});
