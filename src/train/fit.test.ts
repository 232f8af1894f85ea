/** The loop learns, stops, goes on, and says what went wrong. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../base/crc32c.ts';
import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { floats } from '../graph/tensor.ts';
import { batchNorm, classifier, dense, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import {
  adam,
  checkpointPath,
  chooseOptimizer,
  fit,
  jsonlLog,
  layerWise,
  learningRateRange,
  loadCheckpoint,
  plateau,
  sam,
  scoreModel,
  sgd,
  tensorBoardLog,
} from './index.ts';
import { rateAt } from './schedule/schedule.ts';

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  folder = mkdtempSync(join(tmpdir(), 'pare-fit-'));
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Two classes, told by the sign of a product. */
function products(size: number, { bad }: { bad?: number } = {}): Dataset {
  const source = random(1, 'data');
  const data = Float32Array.from({ length: size * 4 }, () => source.normal());
  const classes = Int32Array.from({ length: size }, (_, i) => (data[i * 4]! * data[i * 4 + 1]! > 0 ? 1 : 0));
  if (bad !== undefined) data[bad * 4 + 2] = Number.NaN;
  return inMemory({
    name: 'products',
    inputs: { x: { dtype: 'float32', dims: [4], data } },
    labels: { dtype: 'int64', dims: [], data: classes },
  });
}
const net = (): Model => sequential([dense(16), relu(), classifier(2)], { input: [4] });
const weight = (model: Model, name: string): Float32Array => floats(model.graph.initializers.get(name)!);
const codeOf = async (work: Promise<unknown>): Promise<PareError> => {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof PareError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};

describe('fit', () => {
  it('learns what can be learnt', async () => {
    const data = products(512);
    const { model, report } = await fit(
      net(),
      data,
      { epochs: 30, batch: 32, optimizer: adam({ lr: 0.01 }) },
      { engine },
    );
    expect(report.epochs).toHaveLength(30);
    expect(await scoreModel(model, data, { engine })).toBeGreaterThan(0.95);
  });

  it('moves every weight and statistic of a layer of one channel', async () => {
    const model = sequential([dense(1), batchNorm(), classifier(2)], { input: [4] });
    const { model: learnt } = await fit(model, products(64), { epochs: 2, batch: 16 }, { engine });
    const floating = [...model.graph.initializers].filter(([, { dtype }]) => dtype === 'float32');
    expect(floating.some(([, { dims }]) => dims.join() === '1')).toBe(true);
    for (const [name, before] of floating)
      expect(floats(learnt.graph.initializers.get(name)!), name).not.toEqual(floats(before));
  });

  it('takes the same step from two half batches as from a whole one', async () => {
    const data = products(64);
    const options = { epochs: 3, optimizer: sgd({ lr: 0.1 }) };
    const whole = await fit(net(), data, { ...options, batch: 32 }, { engine });
    const halves = await fit(net(), data, { ...options, batch: 16, accumulate: 2 }, { engine });
    const thirds = await fit(net(), data, { ...options, batch: 8, accumulate: 4 }, { engine });
    for (const other of [halves, thirds]) {
      const [a, b] = [weight(whole.model, 'dense1.weight'), weight(other.model, 'dense1.weight')];
      for (let i = 0; i < a.length; i++) expect(b[i]).toBeCloseTo(a[i]!, 5);
    }
  });

  it('refuses to accumulate for an optimiser that asks for two gradients', async () => {
    const error = await codeOf(
      fit(net(), products(64), { accumulate: 2, batch: 8, optimizer: sam(sgd()) }, { engine }),
    );
    expect(error.code).toBe('train/accumulate');
  });

  it('leaves frozen weights as they are, and scales the rate of groups', async () => {
    const before = net();
    const options = { epochs: 1, batch: 64, optimizer: sgd({ lr: 0.1 }) };
    const data = products(64);
    const plain = (await fit(before, data, options, { engine })).model;
    const frozen = (await fit(before, data, { ...options, freeze: 'dense1.*' }, { engine })).model;
    expect(weight(frozen, 'dense1.weight')).toEqual(weight(before, 'dense1.weight'));
    expect(weight(frozen, 'dense2.weight')).not.toEqual(weight(before, 'dense2.weight'));
    const names = ['dense1.weight', 'dense1.bias', 'dense2.weight', 'dense2.bias'];
    const slow = (await fit(before, data, { ...options, groups: layerWise(names, 0.5) }, { engine })).model;
    const moved = (model: Model, name: string, i: number): number => weight(model, name)[i]! - weight(before, name)[i]!;
    for (let i = 0; i < 8; i++) {
      expect(moved(slow, 'dense1.weight', i)).toBeCloseTo(moved(plain, 'dense1.weight', i) / 2, 6);
      expect(moved(slow, 'dense2.weight', i)).toBeCloseTo(moved(plain, 'dense2.weight', i), 6);
    }
  });

  it('keeps the gradient within clipNorm', async () => {
    const before = net();
    const { model } = await fit(
      before,
      products(64),
      { epochs: 1, batch: 64, optimizer: sgd({ lr: 1 }), clipNorm: 0.01 },
      { engine },
    );
    let squares = 0;
    for (const name of before.graph.initializers.keys()) {
      const [a, b] = [weight(before, name), weight(model, name)];
      for (let i = 0; i < a.length; i++) squares += (a[i]! - b[i]!) ** 2;
    }
    expect(Math.sqrt(squares)).toBeCloseTo(0.01, 4);
  });

  it('lets the rate answer to a plateau', async () => {
    const before = net();
    const still = plateau(0.1, { patience: 0, factor: 0, better: 'more', threshold: 10, thresholdOf: 'change' });
    const two = await fit(before, products(64), { epochs: 2, batch: 64, optimizer: sgd(), plateau: still }, { engine });
    const five = await fit(
      before,
      products(64),
      { epochs: 5, batch: 64, optimizer: sgd(), plateau: still },
      { engine },
    );
    expect(weight(five.model, 'dense1.weight')).toEqual(weight(two.model, 'dense1.weight'));
  });

  it('writes figures as it goes', async () => {
    const [lines, events] = [join(folder, 'log', 'metrics.jsonl'), join(folder, 'events')];
    const seen: number[] = [];
    await fit(
      net(),
      products(64),
      {
        epochs: 3,
        batch: 16,
        validation: products(32),
        logs: [jsonlLog(lines, { everySteps: 2 }), tensorBoardLog(events, { everySteps: 2 })],
        onEpoch: ({ epoch }) => void seen.push(epoch),
      },
      { engine },
    );
    expect(seen).toEqual([0, 1, 2]);
    const records = readFileSync(lines, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ step }) => step)).toEqual([2, 4, 4, 6, 8, 8, 10, 12, 12]);
    expect(records[2]).toMatchObject({ epoch: 0, accuracy: expect.any(Number), loss: expect.any(Number) });
  });
});

describe('checkpoints', () => {
  const data = products(256);
  const options = { epochs: 6, batch: 16, validation: products(64), optimizer: adam({ lr: 0.01 }) };

  it('go on after an abort, to the same bytes', async () => {
    const whole = await fit(net(), data, options, { engine });
    const checkpoint = { folder: join(folder, 'aborted') };
    const abort = new AbortController();
    const onEpoch = ({ epoch }: { epoch: number }): void => {
      if (epoch === 2) abort.abort(new Error('enough'));
    };
    const error = await codeOf(fit(net(), data, { ...options, checkpoint, onEpoch }, { engine, signal: abort.signal }));
    expect(error.code).toBe('work/aborted');
    expect(error.detail.hint).toContain('resume');
    expect((await loadCheckpoint(checkpoint.folder))?.position.epoch).toBe(3);

    const again = await codeOf(fit(net(), data, { ...options, checkpoint }, { engine }));
    expect(again.code).toBe('train/exists');
    const other = await codeOf(fit(net(), data, { ...options, batch: 32, checkpoint, resume: true }, { engine }));
    expect(other.code).toBe('train/resume');

    const resumed = await fit(net(), data, { ...options, checkpoint, resume: true }, { engine });
    expect(resumed.report.epochs).toHaveLength(6);
    for (const name of whole.model.graph.initializers.keys())
      expect(weight(resumed.model, name)).toEqual(weight(whole.model, name));
    const twice = await fit(net(), data, { ...options, checkpoint, resume: true }, { engine });
    expect(weight(twice.model, 'dense1.weight')).toEqual(weight(whole.model, 'dense1.weight'));
  });

  it('are refused when they are damaged', async () => {
    const checkpoint = { folder: join(folder, 'damaged') };
    await fit(net(), data, { ...options, epochs: 1, checkpoint }, { engine });
    const { truncateSync } = await import('node:fs');
    truncateSync(checkpointPath(checkpoint.folder), 900);
    const error = await codeOf(fit(net(), data, { ...options, checkpoint, resume: true }, { engine }));
    expect(error.code).toBe('train/checkpoint');
  });

  it('of a run that diverged hold the last good weights', async () => {
    const checkpoint = { folder: join(folder, 'diverged'), everySteps: 1 };
    const wild = { ...options, optimizer: sgd({ lr: 1e30 }), checkpoint };
    const error = await codeOf(fit(net(), data, wild, { engine }));
    expect(error.code).toBe('train/diverged');
    const saved = await loadCheckpoint(checkpoint.folder);
    for (const { values } of saved?.arrays.values() ?? []) expect(values.every(Number.isFinite)).toBe(true);
  });
});

describe('a loss that is no number', () => {
  it('names the sample that brought it', async () => {
    const error = await codeOf(fit(net(), products(64, { bad: 37 }), { batch: 8 }, { engine }));
    expect(error.code).toBe('data/number');
    expect(error.detail.where).toBe('column "x", sample 37');
  });

  it('names the node where it began', async () => {
    const model = sequential(
      [dense(4), relu(), (x, { g }) => g.emit('Log', [x], {}, { name: 'oops' })[0]!, batchNorm(), classifier(2)],
      { input: [4] },
    );
    const error = await codeOf(fit(model, products(64), { batch: 8 }, { engine }));
    expect(error.detail.where).toBe('Log "oops"');
    expect(error.detail.hint).toContain('above 0');
  });

  it('names the weight that an update broke', async () => {
    const error = await codeOf(fit(net(), products(64), { batch: 8, optimizer: sgd({ lr: 1e38 }) }, { engine }));
    expect(error.detail.where).toMatch(/weight "dense|Gemm "dense|loss/);
  });
});

describe('choosing', () => {
  it('races optimisers, the same way every time', async () => {
    const race = {
      updates: 8,
      candidates: { good: () => adam({ lr: 0.01 }), idle: () => sgd({ lr: 1e-9 }), wild: () => sgd({ lr: 1e30 }) },
    };
    const first = await chooseOptimizer(net(), products(256), { ...race, batch: 32 }, { engine });
    const second = await chooseOptimizer(net(), products(256), { ...race, batch: 32 }, { engine });
    expect(first.name).toBe('good');
    expect(first.rounds).toEqual(second.rounds);
    expect(first.rounds[0]?.losses['wild']).toBe(Number.POSITIVE_INFINITY);
    const { report } = await fit(net(), products(256), { epochs: 1, optimizer: 'auto', race }, { engine });
    expect(report.choice).toContain('good was chosen of 3 candidates');
    expect(report.choice).toContain('falls along a cosine');
    const { lr } = first.optimizer(10).links.find((link) => link.lr !== undefined)!;
    expect([0, 5, 10].map((t) => rateAt(lr!, t))).toEqual([0.01, 0.005, 0]);
  });

  it('finds rates between hopeless and harmful', async () => {
    const { points, steepest, highest } = await learningRateRange(
      net(),
      products(256),
      { batch: 32, to: 100 },
      { engine },
    );
    expect(points.length).toBeGreaterThan(20);
    expect(steepest).toBeGreaterThan(1e-5);
    expect(highest).toBeLessThan(10);
  });
});

it('checks event records as TFRecord readers do', () => {
  // RFC 3720, B.4: 32 bytes of zeros, and 0 … 31.
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  const c = 0x8a9136aa;
  expect(maskedCrc32c(new Uint8Array(32))).toBe((((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0);
});
