import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { node } from '../../test/node.ts';
import { inMemory, openData, portsOf, take } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { tensor } from '../graph/tensor.ts';
import { readModelFile } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { Value } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { agreement, evaluate } from './evaluate.ts';

const DATA = process.env['PARE_DATA'] ?? new URL('../../../shared/data', import.meta.url).pathname;

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** y = x · w, x [batch, 3], w [3, 3]. */
function product(weights: number[], batch: number | string): Model {
  const building = draft<Value>();
  const { g } = building;
  const y = g.MatMul(g.input('x', 'float32', [batch, 3]), g.constant(tensor('float32', [3, 3], weights), 'w'));
  const graph = building.finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]);
  return modelFrom(graph);
}
const SAME = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const TURNED = [0, 1, 0, 0, 0, 1, 1, 0, 0];

// Seven one-hot rows; the identity answers their own class, right on five of them.
const CLASSES = [0, 1, 2, 0, 1, 2, 0];
const LABELS = [0, 1, 2, 0, 1, 0, 1];
const rows = inMemory({
  name: 'rows',
  inputs: {
    x: {
      dtype: 'float32',
      dims: [3],
      data: Float32Array.from(CLASSES.flatMap((c) => [0, 1, 2].map((i) => (i === c ? 5 : 0)))),
    },
  },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from(LABELS, BigInt) },
});
const { labels: _, ...bare } = rows;
const unlabelled = { ...bare, task: 'unlabelled' as const };

describe('evaluate', () => {
  it.each(['N', 1, 2, 4, 16])('scores the same whatever the batch: %s', async (batch) => {
    const score = await evaluate({ name: 'same', model: product(SAME, batch) }, rows, { engine }, { batch: 3 });
    expect([...score.answers]).toEqual(CLASSES);
    expect([score.samples, score.metric]).toEqual([7, { name: 'accuracy', value: 5 / 7 }]);
    // softmax of (5, 0, 0): −log p is log(1 + 2e⁻⁵) when right, 5 more when wrong
    expect(score.loss).toBeCloseTo(Math.log(1 + 2 * Math.exp(-5)) + (2 * 5) / 7, 5);
  });

  it('scores a model that says axes in attributes, as files before opset 13 do', async () => {
    const { graph, ...rest } = product(SAME, 'N');
    const axes = { axes: { kind: 'ints', value: [1] } } as const;
    const nodes = [
      ...graph.nodes.map((each) => ({ ...each, inputs: ['apart', each.inputs[1]!] })),
      { ...node('Unsqueeze', ['x'], 'apart'), attrs: axes },
      { ...node('Squeeze', [graph.outputs[0]!.name], 'scores'), attrs: axes },
    ];
    const outputs = [{ ...graph.outputs[0]!, name: 'scores' }];
    const model = {
      ...rest,
      ir: 7,
      opsets: { '': 12 },
      graph: { ...graph, nodes: [nodes[1]!, nodes[0]!, nodes[2]!], outputs },
    };
    const score = await evaluate({ name: 'old', model }, rows, { engine });
    expect([...score.answers]).toEqual(CLASSES);
  });

  it('takes integers as the class itself', async () => {
    const building = draft<Value>();
    const { g } = building;
    const y = g.ArgMax(g.input('x', 'float32', ['N', 3]), { axis: 1, keepdims: 0 });
    const graph = building.finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]);
    const model = modelFrom(graph);
    const score = await evaluate({ name: 'choice', model }, rows, { engine });
    expect([[...score.answers], score.metric.value, score.loss]).toEqual([CLASSES, 5 / 7, Number.NaN]);
    const same = await agreement({ name: 'choice', model }, { name: 'choice', model }, bare, { engine });
    expect(same.metric.value).toBe(1);
  });

  it('scores a class for each place, those that are ignored left out', async () => {
    const building = draft<Value>();
    const { g } = building;
    const y = g.Identity(g.input('x', 'float32', ['N', 3, 2]));
    const graph = building.finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]);
    const tagger = modelFrom(graph);
    const tagged = inMemory({
      name: 'tagged',
      inputs: { x: { dtype: 'float32', dims: [3, 2], data: Float32Array.of(0, 5, 5, 0, 0, 5, 5, 0, 0, 5, 5, 0) } },
      labels: { dtype: 'float32', dims: [3], data: Float32Array.of(1, 0, -100, 0, 0, -100) },
    });
    const { metric, loss, answers } = await evaluate({ name: 'tagger', model: tagger }, tagged, { engine });
    expect([metric, answers.length]).toEqual([{ name: 'accuracy', value: 3 / 4 }, 0]);
    expect(loss).toBeCloseTo(Math.log(1 + Math.exp(-5)) + 5 / 4, 5);
  });

  it('refuses unlabelled samples and labels beyond the classes', async () => {
    const subject = { name: 'same', model: product(SAME, 'N') };
    await expect(evaluate(subject, unlabelled, { engine })).rejects.toMatchObject({ code: 'data/unlabelled' });
    const wild = inMemory({
      name: 'wild',
      inputs: { x: { dtype: 'float32', dims: [3], data: new Float32Array(3) } },
      labels: { dtype: 'int64', dims: [], data: BigInt64Array.of(3n) },
    });
    await expect(evaluate(subject, wild, { engine })).rejects.toMatchObject({ code: 'data/classes' });
  });

  it('stops when it is told to', async () => {
    const lab = { engine, signal: AbortSignal.abort() };
    await expect(evaluate({ name: 'same', model: product(SAME, 'N') }, rows, lab)).rejects.toMatchObject({
      code: 'work/aborted',
    });
  });

  it('measures agreement without labels', async () => {
    const [same, turned] = [
      { name: 'same', model: product(SAME, 'N') },
      { name: 'turned', model: product(TURNED, 2) },
    ];
    expect((await agreement(same, same, unlabelled, { engine })).metric.value).toBe(1);
    expect((await agreement(turned, same, unlabelled, { engine })).metric.value).toBe(0);
  });

  it.each([
    ['sequence', [4, 3], (x: number[]) => x],
    // Three channels of 2 x 2 places: the same rows as columns.
    ['map', [3, 2, 2], (x: number[]) => Array.from({ length: 12 }, (_, i) => x[(i % 4) * 3 + Math.floor(i / 4)]!)],
  ])('counts an answer at each place of a %s', async (_, dims, laid) => {
    const size = 12;
    const given = (factors: number[]) => {
      const building = draft<Value>();
      const { g } = building;
      const y = g.Mul(g.input('x', 'float32', ['N', ...dims]), g.constant(tensor('float32', dims, laid(factors))));
      return modelFrom(building.finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]));
    };
    const ones = inMemory({
      name: 'ones',
      inputs: { x: { dtype: 'float32', dims, data: new Float32Array(2 * size).fill(1) } },
    });
    // The largest of all stays where it is; one place of four answers otherwise.
    const before = { name: 'a', model: given([9, 0, 0, 0, 2, 1, 0, 1, 2, 3, 2, 1]) };
    const after = { name: 'b', model: given([9, 0, 0, 0, 1, 2, 0, 1, 2, 3, 2, 1]) };
    expect((await agreement(after, before, ones, { engine })).metric.value).toBe(0.75);
  });

  const file = join(DATA, 'models/mnist_cntk.onnx');
  it.skipIf(!existsSync(file))('gets the accuracy that another reader measured (needs PARE_DATA)', async () => {
    const model = await readModelFile(file);
    const { test } = await openData(join(DATA, 'images/mnist'), { ports: portsOf(model.graph), preset: 'raw' });
    const score = await evaluate({ name: 'mnist', model, file }, take(test!, 2000), { engine });
    expect(score.metric.value).toBeCloseTo(0.984, 9);
  });
});
