/** Layers compute what PyTorch's do, and so do their slopes (test/oracle/nn.py); models have the published numbers of weights. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../graph/model.ts';
import { elements, float32, floats, int64, sizeOf } from '../graph/tensor.ts';
import * as nn from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { createArena, meanSquaredError } from './index.ts';
import { bindStep, stepGraph } from './program.ts';

interface Stored {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}
interface Row {
  readonly layer: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the oracle wrote
  readonly options: any;
  readonly input: Stored;
  readonly output: Stored;
  readonly weights: Record<string, Stored>;
  readonly slopes: Record<string, Stored>;
}
const rows = JSON.parse(readFileSync(new URL('../../test/oracle/nn.json', import.meta.url), 'utf8')) as Row[];

const layers: Record<string, (options: Row['options']) => nn.Layer> = {
  rnn: ({ hidden, ...rest }) => nn.simpleRnn(hidden, rest),
  lstm: ({ hidden, ...rest }) => nn.lstm(hidden, rest),
  gru: ({ hidden, ...rest }) => nn.gru(hidden, rest),
  attention: ({ heads, ...rest }) => nn.multiHeadAttention(heads, rest),
  block: (options) => nn.transformerBlock(options),
  conv1d: ({ filters, kernel, ...rest }) => nn.conv1d(filters, kernel, rest),
  depthwise: ({ kernel, ...rest }) => nn.depthwiseConv2d(kernel, rest),
  convTranspose: ({ filters, kernel, ...rest }) => nn.convTranspose2d(filters, kernel, rest),
  layerNorm: () => nn.layerNorm(),
  batchNorm: () => nn.batchNorm(),
  groupNorm: ({ groups }) => nn.groupNorm(groups),
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const closeTo = (got: Float32Array, expected: readonly number[], digits: number): void => {
  expect(got).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(got[i]).toBeCloseTo(value, digits);
  });
};

describe.each(rows)('$layer $options', (row) => {
  const built = nn.sequential([layers[row.layer]!(row.options)], { input: row.input.dims.slice(1) });
  const weights = new Map(built.graph.initializers);
  for (const [name, { dims, data }] of Object.entries(row.weights)) {
    expect(weights.get(name)?.dims).toEqual(dims);
    weights.set(name, float32(dims, data));
  }
  const model: Model = { ...built, graph: { ...built.graph, initializers: weights } };

  // PyTorch's batch normalisation was learning: the loss below shows its output.
  it.skipIf(row.layer === 'batchNorm')('computes what PyTorch computes', async () => {
    using session = await engine.load(writeModel(model));
    const { y } = await session.run({ x: float32(row.input.dims, row.input.data) });
    expect(y!.dims).toEqual(row.output.dims);
    closeTo(floats(y!), row.output.data, 4);
  });

  it('has the slopes that PyTorch has', async () => {
    const step = stepGraph(model, { loss: meanSquaredError(), batch: row.input.dims[0]! }, engine);
    const arena = createArena(step.parameters);
    for (const { name } of step.parameters) arena.view('w', name).set(floats(step.form.weights.get(name)!));
    using program = await bindStep(step, arena, { engine });
    (program.feeds[0]['x'] as Float32Array).set(row.input.data);
    await program.runs[0].run();
    const { data: y } = row.output;
    expect(program.loss()).toBeCloseTo(y.reduce((sum, x) => sum + x * x, 0) / y.length, 4);
    expect(step.parameters.map(({ name }) => name).sort()).toEqual(Object.keys(row.slopes).sort());
    for (const [name, { data }] of Object.entries(row.slopes)) closeTo(arena.view('g', name), data, 4);
  });
});

const trained = (model: Model): number =>
  [...model.graph.initializers]
    .filter(([name, { dtype }]) => dtype === 'float32' && !/running_|ratio|^float32_/.test(name))
    .reduce((sum, [, { dims }]) => sum + sizeOf(dims), 0);

describe('reference models', () => {
  const hidden = (i: number, h: number) => 4 * h * (i + h + 2);
  it.each([
    ['lenet', () => nn.lenet(), 61_706],
    ['resnet20', () => nn.resnetCifar(), 272_474],
    ['resnet18', () => nn.resnet(), 11_689_512],
    ['mobilenetV2', () => nn.mobilenetV2(), 3_504_872],
    ['vgg11 without normalisation', () => nn.vgg({ batchNorm: false }), 9_225_610],
    ['lstmClassifier', () => nn.lstmClassifier({ length: 8, features: 64, classes: 10 }), hidden(64, 128) + 1290],
    ['vit-tiny', () => nn.vit({ width: 192, heads: 3 }), 5_717_416],
  ] as const)('%s has its published number of weights', (_, make, count) => {
    expect(trained(make())).toBe(count);
  });

  it.each([
    ['lenet', () => nn.lenet()],
    ['resnet18', () => nn.resnet({ classes: 5, input: [3, 64, 64] })],
    ['mobilenetV2', () => nn.mobilenetV2({ classes: 5, input: [3, 64, 64], width: 0.25 })],
    ['vgg', () => nn.vgg({ stages: [[8], [16]], input: [3, 16, 16], hidden: [8], classes: 5 })],
    ['vit', () => nn.vit({ width: 24, heads: 3, layers: 1, patch: 8, input: [3, 16, 16], classes: 5, dropout: 0.1 })],
    ['rms', () => nn.sequential([nn.dense(8), nn.rmsNorm(), nn.classifier(5)], { input: [4] })],
    ['gru', () => nn.lstmClassifier({ length: 6, features: 3, classes: 5, cell: 'gru', bidirectional: true })],
    [
      'transformer',
      () => nn.transformerEncoder({ length: 6, features: 8, heads: 2, layers: 1, classes: 5, dropout: 0.1 }),
    ],
  ] as const)('%s runs and learns', async (_, make) => {
    const model = make();
    const step = stepGraph(model, { loss: (await import('./index.ts')).crossEntropy(), batch: 2 }, engine);
    const arena = createArena(step.parameters);
    for (const { name } of step.parameters) arena.view('w', name).set(floats(step.form.weights.get(name)!));
    using program = await bindStep(step, arena, { engine });
    const x = program.feeds[0]['x'] as Float32Array;
    for (let i = 0; i < x.length; i++) x[i] = Math.sin(i);
    await program.runs[0].run();
    expect(program.loss()).toBeGreaterThan(0);
    for (const { name } of step.parameters) {
      expect([name, arena.view('g', name).every(Number.isFinite)]).toEqual([name, true]);
    }
    expect(arena.segment('g').some((slope) => slope !== 0)).toBe(true);
  });

  it.each([
    ['lstm', () => nn.lstmClassifier({ length: 6, tokens: 20, width: 5, hidden: 7, classes: 3 })],
    ['transformer', () => nn.transformerEncoder({ length: 6, tokens: 20, width: 8, heads: 2, classes: 3 })],
  ] as const)('%s does not read what is padding', async (_, make) => {
    using session = await engine.load(writeModel(make()));
    const short = int64([1, 6], [4, 7, 9, 0, 0, 0]);
    const { y } = await session.run({ x: int64([2, 6], [4, 7, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6]) });
    const alone = await session.run({ x: short });
    closeTo(elements(alone['y']!) as Float32Array, [...floats(y!).subarray(0, 3)], 5);
  });
});
