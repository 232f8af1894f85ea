import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import { classifier, dense, sequential, tanh } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { predictAll } from '../train/index.ts';
import { localGroup } from './local.ts';
import { predictParallel } from './predict.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const samples = (size: number): Dataset => {
  const source = random(1, 'samples');
  const data = Float32Array.from({ length: size * 6 }, () => source.normal());
  return inMemory({ name: 'noise', inputs: { x: { dtype: 'float32', dims: [6], data } } });
};
const model = sequential([dense(32), tanh(), classifier(4)], { input: [6] });

it.each([1, 2, 3])('%i replicas, and ranks, give the very numbers of one', async (replicas) => {
  const data = samples(103);
  const output = model.graph.outputs[0]!.name;
  const one = await predictAll(model, data, output, { batch: 10 }, { engine });
  expect(await predictParallel(model, data, output, { batch: 10, replicas }, { engine })).toEqual(one);
  const ranks = localGroup(replicas).map((collective) =>
    predictParallel(model, data, output, { batch: 10, replicas: 2, collective }, { engine }),
  );
  for (const answer of await Promise.all(ranks)) expect(answer).toEqual(one);
});
