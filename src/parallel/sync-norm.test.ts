import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, DIMS } from '../../test/parallel/task.ts';
import { floats } from '../graph/tensor.ts';
import { batchNorm, chainLayers, classifier, conv2d, flatten, sequential, tanh } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { sgd } from '../train/index.ts';
import { alone } from './alone.ts';
import { fitParallel, type ParallelFitOptions } from './fit.ts';
import { localGroup } from './local.ts';
import { peerSums } from './peer-sum.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine[Symbol.dispose]());

const model = sequential(
  [
    chainLayers(conv2d(16, 3), batchNorm(), tanh()),
    chainLayers(conv2d(8, 3), batchNorm(), tanh()),
    flatten(),
    classifier(3),
  ],
  { input: DIMS },
);

async function curve(more: Partial<ParallelFitOptions> = {}, lab: { onNote?: () => void } = {}) {
  const losses: number[] = [];
  const logs = [{ step: (_: number, loss: number) => void losses.push(loss) }];
  const how = { epochs: 3, batch: 25, optimizer: sgd({ lr: 0.05, momentum: 0.9 }), logs, replicas: 1, ...more };
  const { model: trained } = await fitParallel(model, blobs(100), how, { engine, seed: 3, ...lab });
  const statistics = [...trained.graph.initializers].filter(([name]) => /mean|var/.test(name));
  return { losses, statistics: statistics.flatMap(([, t]) => [...floats(t)]) };
}
const near = (a: readonly number[], b: readonly number[], by: number): void => {
  expect(a.length).toBe(b.length);
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!)).toBeLessThan(by);
};

describe('batch normalisation over all copies', () => {
  it.each([
    [2, {}],
    [3, {}], // shares of 8, 8 and 9 samples
    [2, { recompute: true }],
  ])('%i replicas: the losses of one process to 1e-5, and its running statistics', async (replicas, more) => {
    const [one, many, alone] = [
      await curve(more),
      await curve({ replicas, syncNorm: true, ...more }),
      await curve({ replicas, ...more }),
    ];
    near(many.losses, one.losses, 1e-5);
    near(many.statistics, one.statistics, 1e-4);
    expect(Math.abs(alone.losses.at(-1)! - one.losses.at(-1)!)).toBeGreaterThan(1e-4);
  });

  it('2 ranks of 2 replicas, and of one with accumulated gradients, likewise', async () => {
    for (const how of [{ replicas: 2 }, { accumulate: 2 }]) {
      const { replicas: _, ...same } = { replicas: 1, ...how };
      const one = await curve(same);
      const ranks = localGroup(2).map((collective) => curve({ ...how, syncNorm: true, collective }));
      for (const { losses, statistics } of await Promise.all(ranks)) {
        near(losses, one.losses, 1e-5);
        near(statistics, one.statistics, 1e-4);
      }
    }
  });

  it('a loss that is no number is found as ever', async () => {
    const broken = { ...blobs(100) };
    const { fill } = broken;
    const logs = [{ step: () => undefined }];
    const data = {
      ...broken,
      fill(column: string, indices: ArrayLike<number>, into: Parameters<typeof fill>[2]) {
        fill(column, indices, into);
        if (into instanceof Float32Array && Array.from(indices).includes(50)) into[0] = Number.NaN;
      },
    };
    const work = fitParallel(model, data, { batch: 25, replicas: 2, syncNorm: true, logs }, { engine });
    await expect(work).rejects.toMatchObject({ code: 'train/diverged' });
  });

  it('a replica that fails lets the others wait no longer, until the next step', async () => {
    const { ends, fail, begin } = peerSums(3, alone());
    const waiting = Promise.allSettled([0, 1].map((r) => ends[r]!.allReduce(Float32Array.of(r))));
    fail(new Error('broken'));
    for (const each of await waiting) expect(each).toMatchObject({ status: 'rejected', reason: { message: 'broken' } });
    await expect(ends[0]!.allReduce(Float32Array.of(1))).rejects.toThrow('broken');
    begin();
    const values = [1, 2, 4].map((x) => Float32Array.of(x));
    await Promise.all(values.map((each, r) => ends[r]!.allReduce(each)));
    expect(values).toEqual([Float32Array.of(7), Float32Array.of(7), Float32Array.of(7)]);
  });

  it('is for whole layers', async () => {
    const [first, second] = localGroup(2).map((collective) => curve({ syncNorm: true, tensor: 2, collective }));
    await expect(first).rejects.toMatchObject({ code: 'parallel/exclusive' });
    await expect(second).rejects.toMatchObject({ code: 'parallel/exclusive' });
  });
});
