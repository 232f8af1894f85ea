import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bind, inMemory, noise, portsOf } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { floats, tensor } from '../graph/tensor.ts';
import { dense, relu, sequential } from '../nn/index.ts';
import { draft } from '../ops/builder.ts';
import type { Value } from '../ops/op.ts';
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
  it('leaves out channels of zeros that fill up a kernel, and no others', async () => {
    const net = (filled: number): Model => {
      const { g, finish } = draft<Value>();
      const w = new Float32Array(16 * 3).fill(filled);
      w.set(Float32Array.from({ length: 36 }, (_, i) => Math.sin(i)));
      const channels = filled === 0.5 ? 12 : 16;
      const weight = g.constant(tensor('float32', [channels, 3, 1, 1], w.subarray(0, channels * 3)), 'w');
      const y = g.emit(
        'Conv',
        [g.input('x', 'float32', ['N', 3, 4, 4]), weight],
        {},
        { name: 'conv', names: ['inner'] },
      )[0]!;
      const z = g.ReduceMean(y, [1, 2, 3]);
      return {
        ...model,
        graph: finish([{ name: z.name, type: { kind: 'tensor', dtype: 'float32', dims: ['N', 1, 1, 1] } }]),
      };
    };
    const images = noise(portsOf(net(0.5).graph), { size: 4 });
    const against = async (b: Model) =>
      (await compareModels({ name: 'a', model: net(0.5) }, { name: 'b', model: b }, images, { engine })).layers[0]!;
    expect(await against(net(0))).toMatchObject({ name: 'conv', maxAbs: 0, cosine: 1 });
    expect((await against(net(1))).differs).toBe('[4, 12, 4, 4] and [4, 16, 4, 4]');
  });

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

  it.each(['float16', 'float32'] as const)('feeds each model what it takes (samples of %s)', async (dtype) => {
    const twice = (given: 'float16' | 'float32'): Model => {
      const building = draft<Value>();
      const { g } = building;
      const x = g.input('x', given, ['N', 3]);
      const y = g.Mul(given === 'float32' ? x : g.Cast(x, { to: 1 }), g.constant(tensor('float32', [], [2]), 'two'));
      const graph = building.finish([{ name: y.name, type: { kind: 'tensor', dtype: 'float32', dims: ['N', 3] } }]);
      return { ...model, graph };
    };
    const models = [twice(dtype), twice(dtype === 'float16' ? 'float32' : 'float16')] as const;
    const ints = inMemory({
      name: 'ints',
      inputs: { x: { dtype: 'float32', dims: [3], data: Float32Array.of(1, -2, 3) } },
    });
    const samples = bind(ints, portsOf(models[0].graph));
    const { outputs } = await compareModels({ name: 'a', model: models[0] }, { name: 'b', model: models[1] }, samples, {
      engine,
    });
    expect(outputs).toMatchObject([{ maxAbs: 0, cosine: 1 }]);
  });

  it('says which layers have another shape', async () => {
    const narrow = sequential([dense(3), relu(), dense(4)], { input: [5] });
    const { layers } = await compareModels({ name: 'a', model }, { name: 'b', model: narrow }, data, { engine });
    expect(layers.at(-1)!.differs).toBe('[8, 6] and [8, 3]');
  });
});
