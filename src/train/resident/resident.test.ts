/** A run whose arrays stay with the engine is the run in memory: curves, weights, checkpoints, errors. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PareError } from '../../base/error.ts';
import { random } from '../../base/random.ts';
import { type Dataset, inMemory } from '../../data/dataset.ts';
import type { Model } from '../../graph/model.ts';
import { floats } from '../../graph/tensor.ts';
import { batchNorm, classifier, conv2d, dense, dropout, flatten, relu, sequential } from '../../nn/index.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import {
  adam,
  adamw,
  chain,
  chooseOptimizer,
  clipAdaptively,
  cosine,
  crossEntropy,
  ema,
  type FitOptions,
  fit,
  learningRateRange,
  lookahead,
  muon,
  type OptimizerName,
  optimizers,
  plateau,
  rule,
  sam,
  scheduleFree,
  sgd,
  shampoo,
  swa,
  uniform,
} from '../index.ts';
import { openTrainer } from '../trainer.ts';

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  folder = mkdtempSync(join(tmpdir(), 'pare-resident-'));
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Small images of two classes, told by their left half. */
function images(size: number, { bad }: { bad?: number } = {}): Dataset {
  const source = random(1, 'data');
  const data = Float32Array.from({ length: size * 36 }, () => source.normal());
  const isLeft = (i: number): number => (data.subarray(i * 36, i * 36 + 18).reduce((a, b) => a + b, 0) > 0 ? 1 : 0);
  const classes = Int32Array.from({ length: size }, (_, i) => isLeft(i));
  if (bad !== undefined) data[bad * 36] = Number.NaN;
  return inMemory({
    name: 'images',
    inputs: { x: { dtype: 'float32', dims: [1, 6, 6], data } },
    labels: { dtype: 'int64', dims: [], data: classes },
  });
}
const net = (): Model =>
  sequential([conv2d(4, 3), relu(), batchNorm(), flatten(), dense(8), relu(), dropout(0.2), classifier(2)], {
    input: [1, 6, 6],
  });

interface Course {
  readonly losses: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly metrics: readonly (number | undefined)[];
}

async function course(options: FitOptions, lab = { engine }): Promise<Course> {
  const losses: number[] = [];
  const log = { step: (_: number, loss: number) => void losses.push(loss) };
  const { model, report } = await fit(
    net(),
    images(96),
    { epochs: 4, batch: 16, validation: images(32), ...options, logs: [log] },
    lab,
  );
  const learnt = [...model.graph.initializers].filter(([, { dtype }]) => dtype === 'float32');
  return {
    losses,
    weights: new Map(learnt.map(([name, t]) => [name, floats(t)])),
    metrics: report.epochs.map(({ metric }) => metric?.value),
  };
}

/** Both end where they should, step by step. */
function expectSame(got: Course, truth: Course, within = 1e-5): void {
  expect(got.losses).toHaveLength(truth.losses.length);
  const worst = Math.max(...got.losses.map((loss, i) => Math.abs(loss - truth.losses[i]!)));
  expect(worst).toBeLessThan(within);
  expect(got.metrics).toEqual(truth.metrics);
  for (const [name, values] of truth.weights) {
    const own = got.weights.get(name)!;
    expect(Math.max(...values.map((value, i) => Math.abs(own[i]! - value))), name).toBeLessThan(10 * within);
  }
}

const rows: Readonly<Record<string, FitOptions>> = {
  adam: { optimizer: adam({ lr: 0.01 }) },
  'Nesterov on a schedule': {
    optimizer: (updates) => sgd({ lr: cosine(0.1, updates), momentum: 0.9, nesterov: true }),
  },
  'limits on the gradient': { optimizer: chain(clipAdaptively(0.05), adam({ lr: 0.01 })), clipNorm: 0.5 },
  'groups and frozen weights': {
    optimizer: adamw({ lr: 0.01, decay: 0.1 }),
    freeze: 'conv*',
    groups: [
      { match: '*.bias', decay: 0 },
      { match: 'dense*', lr: 0.5 },
    ],
  },
  'accumulated gradients': { optimizer: adam({ lr: 0.01 }), batch: 8, accumulate: 3 },
  'averaged weights': { optimizer: ema(adam({ lr: 0.01 }), { keep: 0.9 }) },
  'an average of late weights': { optimizer: swa(sgd({ lr: 0.1 }), { from: 6, every: 3 }) },
  'slow weights': { optimizer: lookahead(adam({ lr: 0.01 }), { k: 4 }) },
  'two gradients a step': { optimizer: sam(sgd({ lr: 0.1, momentum: 0.9 })) },
  'schedule-free': { optimizer: scheduleFree({ lr: 0.01 }) },
  muon: { optimizer: muon({ lr: 0.02 }) },
  'a fresh root now and then': { optimizer: shampoo({ lr: 0.01, every: 3 }) },
  'a rate that answers': { optimizer: sgd({ lr: 0.1 }), plateau: plateau(0.1, { patience: 1 }) },
  'activations worked out again': { optimizer: adam({ lr: 0.01 }), recompute: true },
};

describe('a run that stays with the engine', () => {
  for (const [name, options] of Object.entries(rows)) {
    it(`is the run in memory: ${name}`, async () => {
      const truth = await course(options);
      expect(truth.losses.at(-1)).not.toBe(truth.losses[0]);
      expectSame(await course({ ...options, resident: true }), truth);
    });
  }

  it('makes the same first steps by every optimiser', async () => {
    for (const optimizer of Object.keys(optimizers) as OptimizerName[]) {
      const options = { optimizer, epochs: 1, batch: 32 };
      expectSame(await course({ ...options, resident: true }), await course(options));
    }
  });

  it('is resumed from any update, on either side', async () => {
    const options = { epochs: 3, optimizer: ema(adam({ lr: 0.01 })), resident: true };
    const truth = await course(options);
    const stopAfter = async (updates: number, where: string): Promise<FitOptions> => {
      const stop = new AbortController();
      const log = { step: (done: number) => void (done === updates && stop.abort()) };
      const kept = { checkpoint: { folder: join(folder, where), everySteps: 1 } };
      const begun = fit(
        net(),
        images(96),
        { batch: 16, validation: images(32), ...options, ...kept, logs: [log] },
        { engine, signal: stop.signal },
      );
      await expect(begun).rejects.toMatchObject({ code: 'work/aborted' });
      return { ...kept, resume: true };
    };
    const onDevice = await course({ ...options, ...(await stopAfter(8, 'device')) });
    for (const [name, values] of truth.weights) expect(onDevice.weights.get(name), name).toEqual(values);
    const inMemory = await course({ ...options, ...(await stopAfter(8, 'memory')), resident: false });
    for (const [name, values] of truth.weights) {
      const own = inMemory.weights.get(name)!;
      expect(Math.max(...values.map((value, i) => Math.abs(own[i]! - value))), name).toBeLessThan(1e-4);
    }
  });

  it('stops before the update when the loss is no number, and says where', async () => {
    const data = images(64, { bad: 40 });
    const options = { batch: 16, loss: crossEntropy(), optimizer: () => sgd({ lr: 0.1 }), resident: true };
    using trainer = await openTrainer(net(), data, options, { engine });
    let before = new Map<string, Float32Array>();
    const drain = async (): Promise<void> => {
      for await (const _ of trainer.updates(0)) {
        await trainer.rest!();
        before = new Map([...trainer.weights()].map(([name, t]) => [name, floats(t).slice()]));
      }
    };
    await expect(drain()).rejects.toMatchObject({ code: 'data/number', detail: { where: 'column "x", sample 40' } });
    for (const [name, t] of trainer.weights()) if (before.size > 0) expect(floats(t)).toEqual(before.get(name));
  });

  it('races optimisers and tries learning rates', async () => {
    const how = { batch: 16, resident: true };
    const range = await learningRateRange(net(), images(96), { ...how, updates: 12 }, { engine });
    const inMemory = await learningRateRange(net(), images(96), { ...how, updates: 12, resident: false }, { engine });
    expect(range.points.length).toBe(inMemory.points.length);
    range.points.forEach(({ loss }, i) => {
      expect(Math.abs(loss - inMemory.points[i]!.loss)).toBeLessThan(1e-4 * Math.max(1, loss));
    });
    const field = { adam: () => adam({ lr: 0.01 }), sgd: () => sgd({ lr: 0.01 }) };
    const chosen = await chooseOptimizer(net(), images(96), { ...how, updates: 4, candidates: field }, { engine });
    expect(chosen.name).not.toBe('');
  });

  it('runs on WebAssembly too', async () => {
    using wasm = await openEngine({ engine: 'wasm', threads: 1 });
    const options = { optimizer: adam({ lr: 0.01 }), epochs: 2 };
    expectSame(await course({ ...options, resident: true }, { engine: wasm }), await course(options), 1e-4);
  });

  it('names an optimiser that no graph can say', async () => {
    const own = rule('normed', { total: uniform(0) }, (e, { u, total }) => ({
      u: e.mul(-0.1, u),
      total: e.add(total, e.sumAll(e.square(u))),
    }));
    const refused = course({ optimizer: chain(own), resident: true });
    await expect(refused).rejects.toBeInstanceOf(PareError);
    await expect(refused).rejects.toMatchObject({ code: 'optim/device' });
  });
});

/** Where this machine has a GPU, or a program that acts as one. */
const gpu = await openEngine({ engine: 'native', device: 'webgpu' }).catch(() => undefined);
describe.skipIf(!gpu)('a run that stays with WebGPU (skipped where there is none)', { timeout: 300_000 }, () => {
  it.each(['adam', 'accumulated gradients', 'averaged weights'])('is the run in memory: %s', async (name) => {
    const options = { ...rows[name]!, epochs: 1 };
    expectSame(await course(options, { engine: gpu! }), await course(options), 1e-3);
  });
});
