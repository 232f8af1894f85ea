import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs } from '../../../test/parallel/task.ts';
import type { Model } from '../../graph/model.ts';
import { floats, sizeOf } from '../../graph/tensor.ts';
import {
  batchNorm,
  chainLayers,
  classifier,
  conv2d,
  dense,
  flatten,
  maxPool2d,
  relu,
  residual,
  sequential,
  tanh,
  transformerEncoder,
} from '../../nn/index.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { adamw, lamb, sgd } from '../../train/index.ts';
import { fitParallel, type ParallelFitOptions } from '../fit.ts';
import { localGroup } from '../local.ts';
import { splitModel } from './split.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const DIMS = [2, 8, 8];
const NETS: Record<string, { make: () => Model; dims: readonly number[] }> = {
  dense: { make: () => sequential([dense(24), tanh(), dense(18), tanh(), classifier(3)], { input: [6] }), dims: [6] },
  conv: {
    make: () =>
      sequential(
        [
          chainLayers(conv2d(16, 3), relu(), maxPool2d(2)),
          chainLayers(conv2d(16, 3), tanh()),
          flatten(),
          dense(12),
          tanh(),
          classifier(3),
        ],
        { input: DIMS },
      ),
    dims: DIMS,
  },
  residual: {
    make: () =>
      sequential(
        [
          chainLayers(conv2d(8, 3, { pad: 'same' }), batchNorm(), tanh()),
          residual(chainLayers(conv2d(8, 3, { pad: 'same' }), batchNorm(), tanh(), conv2d(8, 3, { pad: 'same' }))),
          flatten(),
          classifier(3),
        ],
        { input: DIMS },
      ),
    dims: DIMS,
  },
  transformer: {
    make: () => transformerEncoder({ length: 5, features: 16, heads: 4, layers: 1, hidden: 24, classes: 3 }),
    dims: [5, 16],
  },
};

async function train(net: string, options: ParallelFitOptions) {
  const { make, dims } = NETS[net]!;
  const losses: number[] = [];
  const { model, report } = await fitParallel(
    make(),
    blobs(50, dims),
    {
      epochs: 2,
      batch: 12,
      optimizer: adamw({ lr: 3e-3 }),
      validation: blobs(20, dims),
      logs: [{ step: (_, loss) => void losses.push(loss) }],
      ...options,
    },
    { engine, seed: 3 },
  );
  return { losses, report, weights: model.graph.initializers };
}

describe('layers split over ranks', () => {
  it.each([
    ['dense', 2, 2],
    ['dense', 3, 3],
    ['conv', 2, 2],
    ['residual', 2, 2],
    ['transformer', 2, 2],
    ['conv', 2, 4],
  ])('%s over %i of %i ranks: losses to 1e-5, the unsplit model to 1e-4', async (net, tensor, ranks) => {
    // A bias before BatchNorm, or of attention's keys, has no slope; Adam would blow its rounding up.
    const options = ['residual', 'transformer'].includes(net) ? { optimizer: sgd({ lr: 0.05 }) } : {};
    const one = await train(net, options);
    const group = localGroup(ranks).map((collective) => train(net, { ...options, collective, tensor }));
    const [first] = await Promise.all(group);
    expect(first!.losses.length).toBe(one.losses.length);
    first!.losses.forEach((loss, i) => {
      expect(Math.abs(loss - one.losses[i]!)).toBeLessThan(1e-5);
    });
    expect(first!.report.epochs.map(({ metric }) => metric)).toEqual(one.report.epochs.map(({ metric }) => metric));
    for (const [name, t] of one.weights) {
      if (t.dtype !== 'float32') continue;
      const other = floats(first!.weights.get(name)!);
      expect(first!.weights.get(name)!.dims).toEqual(t.dims);
      floats(t).forEach((x, i) => {
        expect(Math.abs(x - other[i]!)).toBeLessThan(1e-4);
      });
    }
  });

  it('every rank holds its share of the split weights, and all of them together everything', () => {
    for (const { make } of Object.values(NETS)) {
      const model = make();
      const ranks = [0, 1].map((rank) => splitModel(model, 2, rank));
      for (const [name, t] of ranks[0]!.model.graph.initializers) {
        const part = ranks[0]!.parts.get(name);
        if (!part) continue;
        const other = ranks[1]!.model.graph.initializers.get(name)!;
        const whole = model.graph.initializers.get(name);
        expect(sizeOf(t.dims) + sizeOf(other.dims), name).toBe(whole ? sizeOf(whole.dims) : sizeOf(part.dims));
      }
      expect(ranks[0]!.share).toBeGreaterThan(0.3);
    }
  });

  it('refuses an optimiser that needs norms of whole weights', async () => {
    const all = await Promise.allSettled(
      localGroup(2).map((collective) => train('dense', { collective, tensor: 2, optimizer: lamb() })),
    );
    for (const each of all) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'parallel/norm' } });
  });
});
