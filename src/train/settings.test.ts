/** Loops whose turns the data tells learn the weights that they turn over; others say why not. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, floats, sizeOf, tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { fit } from './fit.ts';
import { adam } from './optim/adam.ts';
import { withSettings } from './settings.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const draw = (dims: readonly number[], seed: number): Float32Array => {
  const source = random(seed, 'settings');
  return Float32Array.from({ length: sizeOf(dims) }, () => 0.5 * source.normal());
};

/** x [N, 4] → x ← tanh(x · w), as often as `steps` says → x · o [N, 2]. */
function turning(): Model {
  const building = draft();
  const { g } = building;
  const x = g.input('x', 'float32', ['N' as never, 4]);
  const steps = g.input('steps', 'int64', []);
  const w = g.constant(float32([4, 4], draw([4, 4], 1)), 'w');
  const body = g.body([{ dtype: 'int64', dims: [] }, { dtype: 'bool', dims: [] }, x], (inner, _, go, state) => [
    inner.Identity(go!),
    inner.Tanh(inner.MatMul(state, w)),
  ]);
  const turned = g.Loop(steps, g.constant(tensor('bool', [], [1])), x, { body });
  const y = g.MatMul(turned, g.constant(float32([4, 2], draw([4, 2], 2)), 'o'));
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 2])]);
  return modelFrom(graph);
}

/** Two classes by a sum; the number of turns the same for all samples, or one for each. */
function sums(turns: 'whole' | 'each'): Dataset {
  const data = draw([64, 4], 3);
  const labels = Int32Array.from({ length: 64 }, (_, i) => Number(data[4 * i]! > data[4 * i + 1]!));
  const steps = BigInt64Array.from({ length: turns === 'whole' ? 1 : 64 }, () => 2n);
  return inMemory({
    name: 'sums',
    inputs: {
      x: { dtype: 'float32', dims: [4], data },
      steps: { dtype: 'int64', dims: [], data: steps, ...(turns === 'whole' && { whole: true as const }) },
    },
    labels: { dtype: 'int64', dims: [], data: labels },
  });
}

it('a loop whose turns the data tells learns the weights inside it, and keeps its input', async () => {
  const model = turning();
  const { model: learnt, report } = await fit(
    model,
    sums('whole'),
    { epochs: 20, batch: 16, optimizer: adam({ lr: 0.02 }) },
    { engine, seed: 0 },
  );
  expect(report.epochs.at(-1)!.loss).toBeLessThan(0.8 * report.epochs[0]!.loss);
  for (const name of ['w', 'o'])
    expect(floats(learnt.graph.initializers.get(name)!)).not.toEqual(floats(model.graph.initializers.get(name)!));
  expect(learnt.graph.inputs.map(({ name }) => name)).toEqual(['x', 'steps']);
});

it('says what a loop lacks whose turns nobody tells', async () => {
  const model = turning();
  expect(withSettings(model, sums('each'))).toBe(model);
  await expect(fit(model, sums('each'), { epochs: 1, batch: 16 }, { engine, seed: 0 })).rejects.toMatchObject({
    code: 'grad/missing',
    detail: { hint: expect.stringContaining('number of turns') },
  });
});
