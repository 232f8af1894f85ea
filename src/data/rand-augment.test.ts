import { describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { CHANGES, randAugment } from './rand-augment.ts';

const size = { channels: 1, height: 3, width: 3 };
const changed = (name: string, values: readonly number[], amount: number, of = size): number[] => {
  const out = new Float32Array(values.length);
  CHANGES[name]!(Float32Array.from(values), of, amount, out);
  return Array.from(out, (value) => Math.round(value * 1e4) / 1e4 + 0);
};
const ramp = [0, 1, 2, 3, 4, 5, 6, 7, 8];

describe('the fourteen changes', () => {
  it('are all there', () => {
    expect(Object.keys(CHANGES)).toHaveLength(14);
  });

  it.each([
    ['identity', 1, ramp],
    ['solarize', 0.5, [0, 1, 2, 3, 4, 3, 2, 1, 0]], // what is above 8 − 4 is mirrored
    ['contrast', 1, ramp.map((x) => 4 + (x - 4) * 1.9)],
    ['contrast', -1, ramp.map((x) => 4 + (x - 4) * 0.1)],
    ['brightness', -1, ramp.map((x) => x * 0.1)],
    ['translate-x', 1, [1, 2, 0, 4, 5, 0, 7, 8, 0]], // 0.45 · 3 rounds to 1
    ['translate-y', -1, [0, 0, 0, 0, 1, 2, 3, 4, 5]],
    ['posterize', 1, ramp.map((x) => Math.min(15, Math.floor(x * 2)) / 2)], // 16 steps over 0 to 8
    ['sharpness', -1, ramp], // a ramp is as smooth as can be
    ['rotate', 0, ramp],
    ['shear-x', 0, ramp],
  ])('%s by %d', (name, amount, expected) => {
    changed(name, ramp, amount).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 3);
    });
  });

  it('shears rows against each other, the middle one staying', () => {
    const rows = changed('shear-x', [0, 1, 0, 0, 1, 0, 0, 1, 0], 1);
    [0, 0.7, 0.3, 0, 1, 0, 0.3, 0.7, 0].forEach((value, i) => {
      expect(rows[i]).toBeCloseTo(value, 3);
    });
  });

  it('stretches each channel to the range of the image', () => {
    const two = { channels: 2, height: 1, width: 3 };
    expect(changed('auto-contrast', [0, 5, 10, 4, 5, 6], 1, two)).toEqual([0, 5, 10, 0, 5, 10]);
  });

  it('spreads crowded levels, whatever lay between them', () => {
    expect(changed('equalize', [0, 0, 0, 1, 1, 1, 100, 100, 100], 1)).toEqual(
      [50 / 3, 50, 250 / 3].flatMap((x) => new Array<number>(3).fill(Math.round(x * 1e4) / 1e4)),
    );
  });

  it('turns colour towards the grey of its pixel', () => {
    const three = { channels: 3, height: 1, width: 1 };
    expect(changed('colour', [0, 2, 4], -1, three)).toEqual([1.8, 2, 2.2]);
  });
});

it('is a pure function of the stream of random numbers, and changes something', () => {
  const once = (seed: number): number[] => {
    const out = new Float32Array(9);
    randAugment({ count: 3, strength: 8 })(Float32Array.from(ramp), size, random(seed, 'test'), out);
    return [...out];
  };
  expect(once(1)).toEqual(once(1));
  expect(new Set(Array.from({ length: 20 }, (_, seed) => once(seed).join())).size).toBeGreaterThan(10);
});
