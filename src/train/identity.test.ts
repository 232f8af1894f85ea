import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { augment, flip, inMemory } from '../data/index.ts';
import { classifier, conv2d, flatten, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { adam, cosine, crossEntropy, ema, type FitOptions, fit, focal } from './index.ts';

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  folder = mkdtempSync(join(tmpdir(), 'pare-identity-'));
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const source = random(2, 'images');
const images = inMemory({
  name: 'images',
  inputs: {
    x: { dtype: 'float32', dims: [1, 6, 6], data: Float32Array.from({ length: 64 * 36 }, () => source.normal()) },
  },
  labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: 64 }, () => source.integer(2)) },
});
const net = (channels = 2) => sequential([conv2d(channels, 3), relu(), flatten(), classifier(2)], { input: [1, 6, 6] });
const usual: FitOptions = {
  epochs: 4,
  batch: 16,
  optimizer: (updates: number) => adam({ lr: cosine(1e-3, updates) }),
  loss: crossEntropy(),
};

/** Stops a run after its second epoch, then goes on with other options. */
async function goesOn(name: string, other: FitOptions, { model = net(), data = images } = {}): Promise<unknown> {
  const checkpoint = { folder: join(folder, name) };
  const stop = new AbortController();
  const lab = { engine, seed: 1 };
  const onEpoch = ({ epoch }: { epoch: number }): void => {
    if (epoch === 1) stop.abort();
  };
  await fit(net(), images, { ...usual, checkpoint, onEpoch }, { ...lab, signal: stop.signal }).catch(() => {});
  return fit(model, data, { ...usual, ...other, checkpoint, resume: true }, lab);
}

describe('a checkpoint is refused by a run with another', () => {
  it.each<[string, FitOptions]>([
    ['loss', { loss: focal() }],
    ['loss', { loss: crossEntropy({ labelSmoothing: 0.1 }) }],
    ['schedule', { optimizer: adam({ lr: 1e-3 }) }],
    ['schedule', { epochs: 8 }],
    ['optimizer', { optimizer: (updates) => adam({ lr: cosine(1e-3, updates), b1: 0.8 }) }],
    ['optimizer', { optimizer: (updates) => ema(adam({ lr: cosine(1e-3, updates) })) }],
    ['choice of weights', { freeze: '*.bias' }],
    ['choice of weights', { groups: [{ match: '*.bias', lr: 0.5 }] }],
    ['batch', { batch: 32 }],
  ])('%s', async (what, other) => {
    const name = `${what}-${random(1, JSON.stringify(Object.keys(other)) + what + String(other.loss ?? other.optimizer)).integer(1e9)}`;
    await expect(goesOn(name, other)).rejects.toMatchObject({
      code: 'train/resume',
      message: expect.stringContaining(`another ${what}`),
    });
  });

  it('model, or augmentation', async () => {
    const another = (what: string) => ({ code: 'train/resume', message: expect.stringContaining(`another ${what}`) });
    await expect(goesOn('model', {}, { model: net(3) })).rejects.toMatchObject(another('model'));
    const flipped = augment(images, [flip(1)], { seed: 1 });
    await expect(goesOn('data', {}, { data: flipped })).rejects.toMatchObject(another('set of samples'));
  });

  it('and taken up by one with the same', async () => {
    await expect(goesOn('same', {})).resolves.toMatchObject({ report: { epochs: { length: 4 } } });
  });
});
