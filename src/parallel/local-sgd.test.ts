import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, net } from '../../test/parallel/task.ts';
import { floats } from '../graph/tensor.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { adamw, ema, sgd } from '../train/index.ts';
import { fp16 } from './compress/index.ts';
import { fitParallel, type ParallelFitOptions } from './fit.ts';
import { localGroup } from './local.ts';
import { outers } from './local-sgd.ts';

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), 'pare-meetings-'));
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function curves(more: Partial<ParallelFitOptions>, ranks = 2) {
  const all = await Promise.all(
    localGroup(ranks).map(async (collective) => {
      const losses: number[] = [];
      const logs = [{ step: (_: number, loss: number) => void losses.push(loss) }];
      const how = { epochs: 4, batch: 24, optimizer: sgd({ lr: 0.1 }), collective, logs, ...more };
      const { report, model } = await fitParallel(net(), blobs(100), how, { engine, seed: 3 });
      return { losses, report, weights: [...model.graph.initializers.values()].map((t) => [...floats(t)]) };
    }),
  );
  for (const { weights, losses } of all)
    expect({ weights, losses }).toEqual({ weights: all[0]!.weights, losses: all[0]!.losses });
  return all[0]!;
}
const near = (a: readonly number[], b: readonly number[], by: number): void => {
  expect(a.length).toBe(b.length);
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!)).toBeLessThan(by);
};
const last = (list: readonly number[]): number => list.at(-1)!;

describe('ranks that meet now and then', () => {
  it('meeting after each update of plain SGD is joining every gradient', async () => {
    // mean_r (w − lr · g_r) = w − lr · mean_r g_r
    const [often, always] = [await curves({ syncEvery: 1 }), await curves({})];
    near(often.losses, always.losses, 1e-5);
  });

  it('counts what lies between two meetings as one update, the rest of an epoch too', async () => {
    // 4 updates an epoch
    expect((await curves({ syncEvery: 2 })).losses.length).toBe(4 * 2);
    expect((await curves({ syncEvery: 3 })).losses.length).toBe(4 * 2);
    expect((await curves({ syncEvery: 100 })).losses.length).toBe(4);
  });

  it.each([
    ['averages', { syncEvery: 4, optimizer: sgd({ lr: 0.1 }) }],
    ['DiLoCo', { syncEvery: 4, optimizer: adamw({ lr: 3e-3 }), outer: outers.nesterov() }],
  ])('%s learn nearly what joined gradients do', async (_, how) => {
    const { syncEvery: __, ...joined } = { ...how, outer: outers.average() };
    const [apart, together] = [await curves({ ...how, epochs: 25 }), await curves({ ...joined, epochs: 25 })];
    expect(last(apart.losses)).toBeLessThan(0.7 * apart.losses[0]!);
    expect(last(apart.losses)).toBeLessThan(last(together.losses) + 0.1 * together.losses[0]!);
    expect(apart.report.traffic!.plainBytes / apart.report.traffic!.bytes).toBeCloseTo(4, 5);
  });

  it.each([
    ['averages', { syncEvery: 3, optimizer: sgd({ lr: 0.1, momentum: 0.9 }) }],
    ['DiLoCo', { syncEvery: 3, optimizer: adamw({ lr: 3e-3 }), outer: outers.nesterov() }],
    ['compressed differences', { syncEvery: 2, optimizer: adamw({ lr: 3e-3 }), compress: fp16() }],
  ])('%s go on to the same bytes, every rank with its own state', async (name, how) => {
    const checkpoint = { folder: join(folder, name), everySteps: 1 };
    const stop = new AbortController();
    const logs = [{ step: (step: number) => void (step === 3 && stop.abort()) }];
    const interrupted = Promise.allSettled(
      localGroup(2).map((collective) =>
        fitParallel(
          net(),
          blobs(100),
          { epochs: 4, batch: 24, ...how, collective, checkpoint, logs },
          { engine, seed: 3, signal: stop.signal },
        ),
      ),
    );
    for (const each of await interrupted)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'work/aborted' } });
    const resumed = await curves({ ...how, checkpoint, resume: true });
    expect(resumed.losses.length).toBeGreaterThan(0);
    expect(resumed.losses.length).toBeLessThan(8);
    expect(resumed.weights).toEqual((await curves(how)).weights);
  });

  it('is for whole models, and for optimisers without averages', async () => {
    await expect(curves({ syncEvery: 2, shardUpdate: true })).rejects.toMatchObject({ code: 'parallel/exclusive' });
    await expect(curves({ syncEvery: 2, optimizer: ema(sgd()) })).rejects.toMatchObject({ code: 'parallel/norm' });
  });
});
