import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noise, portsOf } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { floats, tensor } from '../graph/tensor.ts';
import { dense, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { compareModels } from './compare-models.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const model = sequential([dense(6), relu(), dense(4)], { input: [5] });

/** The model with its last weight matrix multiplied. */
function scaled(by: number): Model {
  const initializers = new Map(model.graph.initializers);
  const name = [...initializers.keys()].filter((key) => initializers.get(key)!.dims.length === 2).at(-1)!;
  const weight = initializers.get(name)!;
  initializers.set(
    name,
    tensor(
      'float32',
      weight.dims,
      floats(weight).map((x) => x * by),
    ),
  );
  return { ...model, graph: { ...model.graph, initializers } };
}

describe('compareModels', () => {
  const data = noise(portsOf(model.graph), { size: 10 });

  it('finds where two models part', async () => {
    const a = { name: 'a', model };
    const b = { name: 'b', model: scaled(1.5) };
    const { outputs, layers } = await compareModels(a, b, data, { engine }, { batch: 4 });
    // biases start at 0: the output is 1.5 times the other, in the same direction
    expect(outputs[0]!.relL2).toBeCloseTo(0.5, 5);
    expect(outputs[0]!.cosine).toBeCloseTo(1, 6);
    expect(outputs[0]!.top1Agreement).toBe(1);
    for (const { maxAbs } of layers) expect(maxAbs).toBe(0);
    expect(layers.map(({ op }) => op)).toContain('Relu');
  });

  it('says which layers have another shape', async () => {
    const narrow = sequential([dense(3), relu(), dense(4)], { input: [5] });
    const { layers } = await compareModels({ name: 'a', model }, { name: 'b', model: narrow }, data, { engine });
    expect(layers.at(-1)!.differs).toBe('[8, 6] and [8, 3]');
  });
});
