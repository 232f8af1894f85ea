import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { int64 } from '../graph/tensor.ts';
import { chainLayers, classifier, conv2d, dense, flatten, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { fit } from './fit.ts';
import { sgd } from './optim/sgd.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(3, 'images');
const images: Dataset = inMemory({
  name: 'images',
  inputs: {
    x: { dtype: 'float32', dims: [1, 6, 6], data: Float32Array.from({ length: 96 * 36 }, () => source.normal()) },
  },
  labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: 96 }, () => source.integer(3)) },
});
const open = (): Model =>
  sequential([chainLayers(conv2d(4, 3), relu()), flatten(), dense(8), relu(), classifier(3)], { input: [1, 6, 6] });

/** As an exporter writes it that was told nothing: one sample, and reshapes that say so. */
function fixed(shape: readonly number[], batch = 1): Model {
  const { graph, ...rest } = open();
  const nodes = graph.nodes.map((node) =>
    node.op === 'Flatten' || node.op === 'Reshape'
      ? { ...node, op: 'Reshape', inputs: [node.inputs[0]!, 'to'], attrs: {} }
      : node,
  );
  const initializers = new Map([...graph.initializers, ['to', int64([shape.length], [...shape])] as const]);
  const inputs = graph.inputs.map((info) => (info.name === 'x' ? valueInfo('x', 'float32', [batch, 1, 6, 6]) : info));
  return { ...rest, graph: { ...graph, inputs, nodes, initializers, values: new Map() } };
}
const losses = async (model: Model, how: { batch?: number; accumulate?: number } = {}): Promise<number[]> => {
  const options = { epochs: 2, optimizer: sgd({ lr: 0.1 }), ...how };
  const { report } = await fit(model, images, options, { engine, seed: 1 });
  return report.epochs.map(({ loss }) => loss);
};

describe('models made for one sample at a time', () => {
  it.each([[[1, 64]], [[1, -1]], [[-1, 64]]])(
    'learn from batches like open ones, where they reshape to %j',
    async (shape) => {
      expect(await losses(fixed(shape), { batch: 32 })).toEqual(await losses(open(), { batch: 32 }));
    },
  );

  it('get 64 samples a batch when nobody says', async () => {
    expect(await losses(fixed([1, 64]))).toEqual(await losses(open(), { batch: 64 }));
  });

  it('keep their shapes in what comes out', async () => {
    const model = fixed([1, 64]);
    const { model: trained } = await fit(model, images, { epochs: 1, batch: 32 }, { engine });
    expect(trained.graph.nodes).toEqual(model.graph.nodes);
    expect(trained.graph.inputs).toEqual(model.graph.inputs);
  });

  it('learn one sample at a time where samples would get mixed up, as many to an update', async () => {
    const one = { batch: 1, accumulate: 32 };
    const same = async (how: object): Promise<void> => {
      (await losses(mixing(), how)).forEach((loss, i) => {
        expect(loss).toBeCloseTo(told[i]!, 5);
      });
    };
    const told = await losses(mixing(), one);
    await same({ batch: 32 });
    await same({ batch: 16, accumulate: 2 });
  });

  it('say so where no number of runs makes a batch', async () => {
    const two = mixing(2);
    await expect(losses(two, { batch: 31 })).rejects.toMatchObject({ code: 'train/batch' });
    await expect(losses(two, { batch: 32 })).resolves.toHaveLength(2);
  });
});

/** [N, 4, 4, 4] → [4, N, 4, 4] → [N, 64]: the numbers work out, but rows hold parts of several samples. */
function mixing(batch = 1): Model {
  const { graph, ...rest } = fixed([batch, 64], batch);
  const at = graph.nodes.findIndex(({ op }) => op === 'Reshape');
  const reshape = graph.nodes[at]!;
  const turn = {
    ...reshape,
    name: 'turn',
    op: 'Transpose',
    inputs: [reshape.inputs[0]!],
    outputs: ['turned'],
    attrs: { perm: { kind: 'ints' as const, value: [1, 0, 2, 3] } },
  };
  const nodes = graph.nodes.with(at, { ...reshape, inputs: ['turned', 'to'] }).toSpliced(at, 0, turn);
  return { ...rest, graph: { ...graph, nodes } };
}
