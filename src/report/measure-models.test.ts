import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../graph/model.ts';
import { tensor } from '../graph/tensor.ts';
import { dense, relu, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import type { Value } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { costOfAny, measureModels } from './measure-models.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const small = sequential([dense(8), relu(), dense(3)], { input: [4] });
const large = sequential([dense(64), relu(), dense(3)], { input: [4] });

/** The model with its batch fixed. */
const fixedTo = (model: Model, batch: number): Model => ({
  ...model,
  graph: {
    ...model.graph,
    inputs: model.graph.inputs.map((info) =>
      info.type?.kind === 'tensor'
        ? { ...info, type: { ...info.type, dims: [batch, ...(info.type.dims ?? []).slice(1)] } }
        : info,
    ),
  },
});
const QUICK = { rounds: 3, warmup: 1, minMs: 0.01 };

describe('measureModels', () => {
  it('gives sizes as written and costs as counted', async () => {
    const subjects = [
      { name: 'large', model: large },
      { name: 'small', model: small },
    ];
    const [a, b] = await measureModels(subjects, { engine }, QUICK);
    expect(b).toMatchObject({ name: 'small', bytes: writeModel(small).length, parameters: 67, macs: 56, unknown: [] });
    expect(a!.timings.map(({ batch }) => batch)).toEqual([1, 32]);
    for (const timing of a!.timings) expect(timing).toMatchObject({ ratio: 1, ratioLow: 1, ratioHigh: 1 });
    for (const timing of b!.timings) expect(timing.against).toBe('large');
  });

  it('runs a model with a fixed batch at that batch, against its like', async () => {
    const subjects = [
      { name: 'any', model: small },
      { name: 'four', model: fixedTo(small, 4) },
      { name: 'one', model: fixedTo(small, 1) },
    ];
    const [any, four, one] = await measureModels(subjects, { engine }, QUICK);
    expect(any!.timings.map(({ batch }) => batch)).toEqual([1, 32]);
    expect(four!.timings.map(({ batch, against }) => [batch, against])).toEqual([[4, 'four']]);
    expect(one!.timings.map(({ batch, against }) => [batch, against])).toEqual([[1, 'any']]);
  });

  it('counts at lengths that leave something of a map', () => {
    const building = draft<Value>();
    const { g } = building;
    const x = g.input('x', 'float32', ['N', 1, 'H', 'W']);
    const w = g.constant(tensor('float32', [1, 1, 2, 2], [1, 1, 1, 1]), 'w');
    const half = g.MaxPool(x, { kernel_shape: [2, 2], strides: [2, 2] });
    const y = g.Conv(half, w);
    const graph = building.finish([{ name: y.name }]);
    const { lengths, macs } = costOfAny({ ...small, graph });
    expect(lengths).toMatchObject({ H: 64, W: 64 });
    expect(macs).toBe(31 * 31 * 4);
    expect(costOfAny({ ...small, graph }, { H: 8, W: 8 }).macs).toBe(3 * 3 * 4);
  });

  it('counts at lengths that convolutions shorten to what a shape states', () => {
    const building = draft<Value>();
    const { g } = building;
    const kernel = () => g.constant(tensor('float32', [1, 1, 3], [1, 1, 1]));
    const shorter = (x: Value): Value => g.Conv(x, kernel(), { strides: [2] });
    const map = shorter(shorter(g.input('x', 'float32', ['N', 1, 'T'])));
    const rows = g.Reshape(map, g.constant(tensor('int64', [2], [-1, 14])));
    const y = g.MatMul(rows, g.constant(tensor('float32', [14, 2], new Float32Array(28))));
    const { lengths, macs } = costOfAny({ ...small, graph: building.finish([{ name: y.name }]) });
    expect(lengths['T']).toBeGreaterThan(14);
    expect(macs).toBe(3 * 29 + 3 * 14 + 28);
  });

  it('counts the parameters of the model as it is, in any opset', () => {
    expect(costOfAny({ ...small, opsets: { '': 9 } }).parameters).toBe(67);
  });
});
