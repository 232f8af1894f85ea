import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, numbers } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { crossEntropy, fit, sgd } from '../train/index.ts';
import { factorsOf, groupSparse } from './group-sparse.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(4, 'sparse');
const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());
const data = inMemory({
  name: 'points',
  inputs: { x: { dtype: 'float32', dims: [6], data: new Float32Array(6 * 32) } },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from({ length: 32 }, (_, i) => BigInt(i % 3)) },
});

function network(): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const hidden = g.Relu(g.MatMul(g.input('x', 'float32', ['N', 6]), g.constant(float32([6, 8], drawn(48)), 'A')));
  const y = g.MatMul(hidden, g.constant(float32([8, 3], drawn(24)), 'B'));
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 3])]);
  return modelFrom(graph);
}

describe('group sparse learning', () => {
  it('pulls the weakest sixteen times as hard as the strongest', () => {
    expect([...factorsOf([1, 3, 2], 4)]).toEqual([16, 1, 4]);
    expect([...factorsOf([2, 2], 4)]).toEqual([1, 1]);
  });

  it('shrinks each channel by its own factor where the data says nothing', async () => {
    // Inputs of zero: the base loss has no slope in either matrix, only the pull has.
    const before = network();
    const lab = { engine, seed: 1 };
    const { model, loss } = await groupSparse(before, crossEntropy(), { pull: 0.01 }, lab);
    const { model: after } = await fit(model, data, { epochs: 1, batch: 32, loss, optimizer: sgd({ lr: 1 }) }, lab);
    const [A, B, a, b] = [before, after].flatMap(({ graph }) =>
      ['A', 'B'].map((name) => numbers(graph.initializers.get(name)!)),
    );
    const strengths = Array.from({ length: 8 }, (_, k) => {
      let sum = 0;
      for (let i = 0; i < 6; i++) sum += A![i * 8 + k]! ** 2;
      for (let o = 0; o < 3; o++) sum += B![k * 3 + o]! ** 2;
      return Math.sqrt(sum);
    });
    factorsOf(strengths, 4).forEach((factor, k) => {
      expect(a![k]! / A![k]!).toBeCloseTo(1 - 0.01 * factor, 4);
      expect(b![k * 3]! / B![k * 3]!).toBeCloseTo(1 - 0.01 * factor, 4);
    });
  });
});
