import { afterAll, beforeAll, expect, it } from 'vitest';
import { node } from '../../test/node.ts';
import { inMemory } from '../data/index.ts';
import { distill } from '../distill/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, float32 } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { quantizeAware } from '../quantize/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { fit } from '../train/fit.ts';
import { sgd } from '../train/index.ts';
import { openMaps } from './open-maps.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const SIZE = 90;
/** Three classes on a line. */
const classes = Int32Array.from({ length: SIZE }, (_, i) => i % 3);
const data = inMemory({
  name: 'line',
  inputs: { x: { dtype: 'float32', dims: [1], data: Float32Array.from(classes, (c) => c - 1) } },
  labels: { dtype: 'int64', dims: [], data: classes },
});

/** A classifier as scikit-learn's exporter writes it: the class, and a map from class to score. It knows nothing yet. */
function classifier(): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', ['N', 1]);
  const scores = g.Softmax(
    g.emit('Gemm', [x, g.constant(float32([1, 3], [0.1, 0, 0]), 'w'), g.constant(float32([3], [0, 0, 0]), 'b')])[0]!,
  );
  const label = g.ArgMax(scores, { axis: 1, keepdims: 0 });
  const graph = finish([valueInfo(label.name, 'int64', ['N'])]);
  const keys = { classlabels_int64s: { kind: 'ints', value: [0, 1, 2] } } as const;
  const zip = { ...node('ZipMap', [scores.name], 'probabilities'), domain: 'ai.onnx.ml', attrs: keys };
  const model = modelFrom({
    ...graph,
    nodes: [...graph.nodes, zip],
    outputs: [...graph.outputs, { name: 'probabilities' }],
    values: new Map(),
  });
  return { ...model, opsets: { ...model.opsets, 'ai.onnx.ml': 1 } };
}

async function right(model: Model): Promise<number> {
  using session = await engine.load(writeModel(openMaps(model).model));
  const rows = float32(
    [SIZE, 1],
    Float32Array.from(classes, (c) => c - 1),
  );
  const chosen = elements((await session.run({ x: rows }))[model.graph.outputs[0]!.name]!);
  return classes.reduce((sum, c, i) => sum + Number(Number(chosen[i]) === c), 0) / SIZE;
}

it('learns, teaches and is taught by the scores behind a map, and gives the map again', async () => {
  const before = classifier();
  expect(await right(before)).toBeLessThan(0.8);
  const options = { epochs: 30, batch: 30, optimizer: sgd({ lr: 1 }) };
  const { model: teacher } = await fit(before, data, options, { engine });
  const { labels: _, ...bare } = data;
  const { model: student } = await distill(before, teacher, bare, { ...options, loss: 'soft-targets' }, { engine });
  const { model: aware } = await quantizeAware(teacher, { data, epochs: 1 }, { engine });
  for (const model of [teacher, student, aware]) {
    expect(await right(model)).toBe(1);
    expect(model.graph.outputs).toEqual(before.graph.outputs);
    expect(model.graph.nodes.at(-1)!.op).toBe('ZipMap');
    using loaded = await engine.load(writeModel(model));
    expect(loaded.outputs.map(({ name }) => name)).toContain(before.graph.outputs[0]!.name);
  }
});

it('leaves a model without maps as it is', () => {
  const { model } = openMaps(classifier());
  expect(openMaps(model).model).toBe(model);
});
