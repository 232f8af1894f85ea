/** One training of a network of `task.ts`, and what two of them must have in common. */

import { expect } from 'vitest';
import { floats } from '../../src/graph/tensor.ts';
import { fitParallel, type ParallelFitOptions } from '../../src/parallel/fit.ts';
import type { Engine } from '../../src/runtime/index.ts';
import { adamw } from '../../src/train/index.ts';
import { blobs, NETS, type NetName } from './task.ts';

/** Two epochs on a hundred samples, unless told otherwise: the loss of every step, the report and the weights. */
export async function learn(name: NetName, options: ParallelFitOptions, engine: Engine) {
  const { make, dims } = NETS[name];
  const losses: number[] = [];
  const { model, report } = await fitParallel(
    make(),
    blobs(100, dims),
    {
      epochs: 2,
      batch: 24,
      optimizer: adamw({ lr: 3e-3 }),
      validation: blobs(20, dims),
      ...options,
      logs: [{ step: (_, loss) => void losses.push(loss) }],
    },
    { engine, seed: 3 },
  );
  return { losses, report, weights: model.graph.initializers };
}

export type Learnt = Awaited<ReturnType<typeof learn>>;

/** Losses of each step, metrics of each epoch, and weights. */
export function expectSame(
  one: Learnt,
  other: Learnt,
  { loss: lossWithin = 1e-5, weight: weightWithin = 1e-4 }: { loss?: number; weight?: number } = {},
): void {
  expect(other.losses.length).toBe(one.losses.length);
  other.losses.forEach((loss, i) => {
    expect(Math.abs(loss - one.losses[i]!)).toBeLessThan(lossWithin);
  });
  expect(other.report.epochs.map(({ metric }) => metric)).toEqual(one.report.epochs.map(({ metric }) => metric));
  expect([...other.weights.keys()]).toEqual([...one.weights.keys()]);
  for (const [name, t] of one.weights) {
    if (t.dtype !== 'float32') continue;
    const same = other.weights.get(name)!;
    expect(same.dims).toEqual(t.dims);
    const values = floats(same);
    floats(t).forEach((x, i) => {
      expect(Math.abs(x - values[i]!), name).toBeLessThan(weightWithin);
    });
  }
}
