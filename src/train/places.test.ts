/** Classes at the places of sequences and maps: read from any layout, learnt, and counted without what is ignored. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { float32, floats, sizeOf } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { fit } from './fit.ts';
import { crossEntropy } from './loss/index.ts';
import { accuracy } from './metric/accuracy.ts';
import { adam } from './optim/adam.ts';
import { atPlaces, IGNORED, metricAtPlaces, placesOf } from './places.ts';
import { taskOf } from './task.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

describe('where outputs and labels have their places', () => {
  it.each([
    ['a sequence, classes last', [7, 5], [7], { classes: 5, isLast: true }],
    ['a sequence, classes first', [5, 7], [7], { classes: 5, isLast: false }],
    ['as many classes as places: last', [5, 5], [5], { classes: 5, isLast: true }],
    ['a map, classes first', [3, 8, 9], [8, 9], { classes: 3, isLast: false }],
    ['a map, classes last', [8, 9, 3], [8, 9], { classes: 3, isLast: true }],
    ['as many classes as rows: first', [4, 4, 4], [4, 4], { classes: 4, isLast: false }],
  ] as const)('%s', (_, output, labels, places) => {
    expect(placesOf(output, labels)).toEqual({ dims: labels, ...places });
  });

  it.each([
    ['one number a place', [7], [7]],
    ['another length', [6, 5], [7]],
    ['one label a sample', [5], []],
    ['a single class', [7, 1], [7]],
  ])('not with %s', (_, output, labels) => {
    expect(placesOf(output, labels)).toBeUndefined();
  });
});

const draw = (dims: readonly number[], seed: number, spread = 1): Float32Array => {
  const source = random(seed, 'places');
  return Float32Array.from({ length: sizeOf(dims) }, () => spread * source.normal());
};

/** −1/M Σ log softmax(x)[label] over the labels that count. */
function byHand(rows: readonly (readonly number[])[], labels: readonly number[]): number {
  const terms = rows.flatMap((row, i) =>
    labels[i] === IGNORED ? [] : [Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[labels[i]!]!],
  );
  return terms.reduce((a, b) => a + b, 0) / terms.length;
}

describe.each([
  { layout: 'last', dims: [2, 3, 4], at: (n: number, t: number, k: number) => n * 12 + t * 4 + k },
  { layout: 'first', dims: [2, 4, 3], at: (n: number, t: number, k: number) => n * 12 + k * 3 + t },
])('classes $layout', ({ layout, dims, at }) => {
  const outputs = draw(dims, 3);
  const labels = [1, IGNORED, 3, 0, 2, IGNORED];
  const rows = labels.map((_, i) => [0, 1, 2, 3].map((k) => outputs[at(Math.floor(i / 3), i % 3, k)]!));
  const places = { dims: [3], classes: 4, isLast: layout === 'last' };

  it('costs the mean over the labels that count', async () => {
    const { g, finish } = draft();
    const output = g.constant(float32(dims, outputs));
    const stored = g.constant(float32([2, 3], labels));
    const loss = atPlaces(
      places,
      'float32',
      crossEntropy({ ignore: IGNORED }),
    )(g, {
      output,
      logits: output,
      value: g.of,
      column: () => stored,
    });
    using session = await engine.load(writeModel(modelOf(finish([valueInfo(loss.name, 'float32', [])]))));
    const made = await session.run({});
    expect(floats(made[loss.name]!)[0]).toBeCloseTo(byHand(rows, labels), 5);
  });

  it('scores the labels that count', () => {
    const count = metricAtPlaces(places, accuracy).start();
    count.see(outputs, Float32Array.from(labels), 2, 12);
    const right = rows.filter((row, i) => labels[i] === row.indexOf(Math.max(...row))).length;
    expect(count.value()).toBeCloseTo(right / 4, 12);
  });
});

const modelOf = (graph: Graph): Model => modelFrom(graph);

const network = (
  dims: readonly number[],
  out: readonly number[],
  make: (g: Builder, x: StaticValue) => StaticValue,
): Model => {
  const building = draft();
  const y = make(building.g, building.g.input('x', 'float32', ['N' as never, ...dims]));
  return modelOf(building.finish([valueInfo(y.name, 'float32', ['N', ...out])]));
};

/** Points of x [N, 2, H, W] or [N, T, 2] by which of their two numbers is larger; every fifth is ignored. */
function larger(dims: readonly number[], places: readonly number[], channelsFirst: boolean): Dataset {
  const [size, count] = [128, sizeOf(places)];
  const data = draw([size, ...dims], 5);
  const [alongPlace, alongChannel] = channelsFirst ? [1, count] : [2, 1];
  const labels = Float32Array.from({ length: size * count }, (_, i) => {
    const from = Math.floor(i / count) * 2 * count + (i % count) * alongPlace;
    return i % 5 === 0 ? IGNORED : Number(data[from + alongChannel]! > data[from]!);
  });
  return inMemory({
    name: 'larger',
    inputs: { x: { dtype: 'float32', dims, data } },
    labels: { dtype: 'float32', dims: places, data: labels },
  });
}

describe.each([
  {
    what: 'a tagger',
    data: larger([6, 2], [6], false),
    model: network([6, 2], [6, 3], (g, x) => g.MatMul(x, g.constant(float32([2, 3], draw([2, 3], 1, 0.3)), 'w'))),
  },
  {
    what: 'a segmentation',
    data: larger([2, 4, 4], [4, 4], true),
    model: network([2, 4, 4], [3, 4, 4], (g, x) =>
      g.Conv(x, g.constant(float32([3, 2, 1, 1], draw([3, 2, 1, 1], 1, 0.3)), 'w')),
    ),
  },
])('$what', ({ data, model }) => {
  it('learns its task, and is scored over its places', async () => {
    const { name, loss, metric } = taskOf(model, data);
    expect(name).toBe('classes at places');
    const { report } = await fit(
      model,
      data,
      { epochs: 12, batch: 16, optimizer: adam({ lr: 0.05 }), loss, metric, validation: data },
      { engine, seed: 0 },
    );
    const last = report.epochs.at(-1)!;
    expect(last.loss).toBeLessThan(0.6 * report.epochs[0]!.loss);
    expect(last.metric!.value).toBeGreaterThan(0.9);
  });

  it('names a class beyond its outputs', () => {
    const odd: Dataset = { ...data, fill: (_, __, into) => void into.fill(3 as never) };
    expect(() => taskOf(model, odd)).toThrow(expect.objectContaining({ code: 'data/classes' }));
  });
});
