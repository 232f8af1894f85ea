import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { conv2d, dense, flatten, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { type Calibrated, calibrate, calibratorOf } from './calibrated.ts';
import { prepare } from './prepare.ts';
import { overBatches, slowLayers } from './slow-layers.ts';

let engine: Engine;
let original: Model;
let calibrated: Calibrated;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  original = sequential([conv2d(8, 3), relu(), flatten(), dense(4)], { input: [3, 8, 8] });
  const source = random(4, 'slow layers');
  const pixels = Float32Array.from({ length: 8 * 3 * 64 }, () => source.normal());
  const data = inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [3, 8, 8], data: pixels } } });
  const samples = Int32Array.from({ length: 8 }, (_, i) => i);
  calibrated = await calibrate(prepare(original), calibratorOf(), data, samples, { engine }, { everywhere: true });
});
afterAll(() => engine[Symbol.dispose]());

/** Two models by these ratios in turn, the rest as slow as each other; three by `last`. */
async function timed(firsts: readonly number[], last: readonly number[]) {
  let calls = 0;
  const time = async (models: readonly Model[]): Promise<readonly number[]> => {
    calls += 1;
    return models.length === 3 ? last : [1, firsts[calls - 1] ?? 1];
  };
  const speed = await slowLayers({ original, calibrated, write: {}, time, enough: 0.8 }, { engine });
  return { ...speed, calls };
}

describe('a mixture', () => {
  it('is all integers where that is surely faster', async () => {
    expect(await timed([0.5], [])).toMatchObject({ slow: [], ratio: 0.5, calls: 1 });
    expect(await timed([0.7, 0.75], [])).toMatchObject({ slow: [], ratio: 0.7, calls: 2 });
  });

  it('is looked at again where the first look was chance', async () => {
    const { fast, slow, ratio } = await timed([0.7, 0.99], [1, 0.99, 1]);
    expect(fast).toEqual([]);
    expect(slow).toHaveLength(2);
    expect(ratio).toBe(1);
  });

  it('leaves out what is faster without', async () => {
    const { fast, slow, ratio } = await timed([0.9, 0.8], [1, 0.7, 1]);
    expect(slow).toHaveLength(1);
    expect(fast).toHaveLength(1);
    expect(ratio).toBe(0.7);
  });
});

it('counts the mean of the batches, and no gain of one for a loss of the other', () => {
  expect(overBatches([0.5, 0.98])).toBeCloseTo(0.7, 12);
  expect(overBatches([1.06, 0.8])).toBe(1.06);
  expect(overBatches([0.4])).toBe(0.4);
});
