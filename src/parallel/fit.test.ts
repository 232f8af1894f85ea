import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, DIMS, net } from '../../test/parallel/task.ts';
import { batchNorm, chainLayers, classifier, conv2d, flatten, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { adamw, chain, clipByNorm, fit, sam, sgd } from '../train/index.ts';
import { fitParallel } from './fit.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine[Symbol.dispose]());

async function curve(replicas: number, batch: number, optimizer = adamw({ lr: 1e-2 })) {
  const losses: number[] = [];
  const options = {
    epochs: 2,
    batch,
    replicas,
    optimizer,
    logs: [{ step: (_: number, loss: number) => void losses.push(loss) }],
  };
  const { report, model } = await fitParallel(net(), blobs(100), options, { engine, seed: 3 });
  return { losses, report, model };
}

describe('fitParallel', () => {
  it('one replica is fit', async () => {
    const { report } = await fit(
      net(),
      blobs(100),
      { epochs: 2, batch: 24, optimizer: adamw({ lr: 1e-2 }) },
      { engine, seed: 3 },
    );
    const alone = await curve(1, 24);
    expect(alone.report.epochs.map(({ loss }) => loss)).toEqual(report.epochs.map(({ loss }) => loss));
    expect(alone.losses.length).toBe(8);
  });

  it.each([
    [2, 24],
    [3, 24],
    [3, 25], // shares of 8, 8 and 9 samples
  ])('%i replicas of a batch of %i: the loss of every step to 1e-5', async (replicas, batch) => {
    const [one, many] = [await curve(1, batch), await curve(replicas, batch)];
    expect(many.losses.length).toBe(one.losses.length);
    many.losses.forEach((loss, i) => {
      expect(Math.abs(loss - one.losses[i]!)).toBeLessThan(1e-5);
    });
    expect(many.report.replicas).toBe(replicas);
  });

  it('norms and two gradients a step see the joined slopes', async () => {
    for (const optimizer of [chain(clipByNorm(0.1), sgd({ lr: 0.1 })), sam(sgd({ lr: 0.05 }))]) {
      const [one, two] = [await curve(1, 24, optimizer), await curve(2, 24, optimizer)];
      two.losses.forEach((loss, i) => {
        expect(Math.abs(loss - one.losses[i]!)).toBeLessThan(1e-5);
      });
    }
  });

  it('the same run twice gives the same bits', async () => {
    const [first, again] = [await curve(2, 24), await curve(2, 24)];
    expect(again.losses).toEqual(first.losses);
  });

  it('running statistics are the mean over the replicas', async () => {
    const model = sequential([chainLayers(conv2d(16, 3), batchNorm(), relu()), flatten(), classifier(3)], {
      input: DIMS,
    });
    const data = blobs(96);
    const options = { epochs: 1, batch: 48, validation: data, optimizer: sgd({ lr: 1e-9 }) };
    const trained = [1, 2].map(async (replicas) => fitParallel(model, data, { ...options, replicas }, { engine }));
    const [one, two] = await Promise.all(trained);
    for (const [name, tensor] of one!.model.graph.initializers) {
      if (!/mean/.test(name)) continue;
      const [a, b] = [tensor, two!.model.graph.initializers.get(name)!].map(
        ({ bytes }) => new Float32Array(bytes.slice().buffer),
      );
      a!.forEach((x, i) => {
        expect(b![i]).toBeCloseTo(x, 5);
      });
    }
  });

  it('refuses more replicas than samples', async () => {
    await expect(curve(4, 3)).rejects.toMatchObject({ code: 'parallel/replicas' });
  });

  it('stops when the signal fires', async () => {
    const stop = new AbortController();
    const options = { epochs: 50, batch: 24, replicas: 2, logs: [{ step: () => stop.abort() }] };
    const work = fitParallel(net(), blobs(100), options, { engine, signal: stop.signal });
    await expect(work).rejects.toMatchObject({ code: 'work/aborted' });
  });
});
