import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import {
  batchNorm,
  chainLayers,
  classifier,
  conv2d,
  flatten,
  lstmClassifier,
  mlp,
  relu,
  sequential,
} from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { crossEntropy, triplet } from '../train/index.ts';
import { fitParallel } from './fit.ts';
import { replicasFor } from './replicas-for.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine[Symbol.dispose]());

const SIZE = 64;
function noise(dims: readonly number[], classes = 3): Dataset {
  const source = random(5, 'noise');
  const count = dims.reduce((n, dim) => n * dim, SIZE);
  return inMemory({
    name: 'noise',
    inputs: { x: { dtype: 'float32', dims, data: Float32Array.from({ length: count }, () => source.normal()) } },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: SIZE }, () => source.integer(classes)) },
  });
}

const sequences = noise([40, 40]);
const lstm = () => lstmClassifier({ length: 40, features: 40, hidden: 100, classes: 3 });
const images = noise([3, 24, 24]);
const convolutions = (norm: boolean) =>
  sequential(
    [
      chainLayers(conv2d(32, 3), ...(norm ? [batchNorm()] : []), relu()),
      conv2d(16, 3),
      relu(),
      flatten(),
      classifier(3),
    ],
    { input: [3, 24, 24] },
  );
const replicas = (model: ReturnType<typeof lstm>, data: Dataset, loss = crossEntropy(), batch = 32) =>
  replicasFor(model, data, { batch, loss }, { engine, seed: 1 });

describe('replicasFor', () => {
  it('splits sequences over the threads, since steps that wait for each other gain little from sharing each product', async () => {
    expect(await replicas(lstm(), sequences)).toBe(2);
  });

  it('leaves weights that are used once a sample to one copy', async () => {
    expect(await replicas(mlp({ input: [40, 40], units: [2048, 512], classes: 3 }), sequences)).toBe(1);
  });

  it('leaves batches that do not split evenly, or into too little, whole', async () => {
    expect(await replicas(lstm(), sequences, crossEntropy(), 31)).toBe(1);
    expect(await replicas(lstm(), sequences, crossEntropy(), 8)).toBe(1);
  });

  it('leaves batch statistics whole', async () => {
    expect(await replicas(convolutions(false), images)).toBe(2);
    expect(await replicas(convolutions(true), images)).toBe(1);
  });

  it('leaves losses whole that are no mean over samples', async () => {
    expect(await replicas(lstm(), sequences, crossEntropy({ classWeights: [1, 2, 5] }))).toBe(1);
    expect(await replicas(lstm(), sequences, triplet())).toBe(1);
  });

  it('learns what one copy learns', async () => {
    const losses = async (replicas?: number) => {
      const how = { epochs: 2, batch: 32, ...(replicas && { replicas }) };
      const { report } = await fitParallel(lstm(), sequences, how, { engine, seed: 2 });
      return { replicas: report.replicas, losses: report.epochs.map(({ loss }) => loss) };
    };
    const [own, one] = [await losses(), await losses(1)];
    expect([own.replicas, one.replicas]).toEqual([2, 1]);
    own.losses.forEach((loss, i) => {
      expect(Math.abs(loss - one.losses[i]!)).toBeLessThan(1e-4);
    });
  });
});
