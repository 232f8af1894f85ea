/** Augmentation changes images, not their classes, and is a pure function of seed, epoch and sample. */

import { describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { augment, type ImageTransform } from './augment.ts';
import { type Dataset, inMemory } from './dataset.ts';
import { colour, erase, flip, rotate, shiftCrop, zoom } from './image-transforms.ts';
import { cutmix, mixup } from './mix.ts';
import { randAugment } from './rand-augment.ts';
import { subset } from './subset.ts';

const N = 12;
const images = (): Dataset => {
  const source = random(1, 'images');
  return inMemory({
    name: 'images',
    inputs: {
      x: { dtype: 'float32', dims: [3, 8, 8], data: Float32Array.from({ length: N * 192 }, () => source.normal()) },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: N }, (_, i) => i % 4) },
  });
};
const read = (set: Dataset, indices: number[], column = 'x', width = 192): Float32Array => {
  const into = new Float32Array(indices.length * width);
  set.fill(column, indices, into);
  return into;
};
const all: Record<string, ImageTransform> = {
  flip: flip(),
  shiftCrop: shiftCrop(2),
  rotate: rotate(20),
  zoom: zoom(0.2),
  colour: colour(),
  erase: erase({ share: 1 }),
  randAugment: randAugment(),
};

describe.each(Object.entries(all))('%s', (_, transform) => {
  it('depends on seed, epoch and sample only', () => {
    const set = augment(images(), [transform], { seed: 4 });
    const third = set.atEpoch!(3);
    expect(read(third, [5, 2])).toEqual(read(augment(images(), [transform], { seed: 4 }).atEpoch!(3), [5, 2]));
    expect(read(third, [2])).toEqual(read(third, [5, 2]).subarray(192));
    expect(read(subset(set, [5, 2]).atEpoch!(3), [1])).toEqual(read(third, [2]));
    const every = Array.from({ length: N }, (__, i) => i);
    expect(read(third, every)).not.toEqual(read(set.atEpoch!(4), every));
    expect(read(third, every)).not.toEqual(read(images(), every));
    expect(read(third, every).every(Number.isFinite)).toBe(true);
  });
});

it('flips rows, and nothing else', () => {
  const [before, after] = [read(images(), [0]), read(augment(images(), [flip(1)]), [0])];
  for (let row = 0; row < 24; row++)
    for (let x = 0; x < 8; x++) expect(after[row * 8 + x]).toBe(before[row * 8 + 7 - x]);
});

it('turns and zooms by nothing without a change', () => {
  const before = read(images(), [3]);
  for (const still of [rotate(0), zoom(0), shiftCrop(0)]) {
    read(augment(images(), [still]), [3]).forEach((value, i) => {
      expect(value).toBeCloseTo(before[i]!, 5);
    });
  }
});

it('shifts by whole pixels', () => {
  const one: ImageTransform = (image, size, _, out) =>
    shiftCrop(1)(image, size, { ...random(0), integer: () => 2 }, out);
  const [before, after] = [read(images(), [0]), read(augment(images(), [one]), [0])];
  expect(after[0]).toBe(before[9]);
  expect(after[7]).toBe(0);
});

it.each([
  ['mixup', mixup],
  ['cutmix', cutmix],
] as const)('%s gives labels the shares of what is in the image', (_, mix) => {
  const flat = inMemory({
    name: 'flat',
    inputs: {
      x: {
        dtype: 'float32',
        dims: [1, 8, 8],
        data: Float32Array.from({ length: 4 * 64 }, (__, i) => Math.floor(i / 64)),
      },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.of(0, 1, 2, 3) },
  });
  const set = mix(flat, { classes: 4, seed: 2 }).atEpoch!(1);
  const [x, labels] = [read(set, [0, 1, 2, 3], 'x', 64), read(set, [0, 1, 2, 3], 'labels', 4)];
  for (let i = 0; i < 4; i++) {
    const shares = labels.subarray(i * 4, i * 4 + 4);
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    // A pixel of class k is k everywhere, so the image's mean is the mean class.
    const mean = x.subarray(i * 64, i * 64 + 64).reduce((a, b) => a + b) / 64;
    expect(mean).toBeCloseTo(
      shares.reduce((sum, share, k) => sum + share * k, 0),
      5,
    );
  }
});

it('fades colours towards grey, and leaves grey as it is', () => {
  const size = { channels: 3, height: 1, width: 2 };
  const image = Float32Array.of(3, 1, 0, 1, 0, 1); // a red pixel and a grey one
  const out = new Float32Array(6);
  colour({ brightness: 0, contrast: 0, saturation: 0.5 })(image, size, random(4, 'colour'), out);
  expect(out[0]! + out[2]! + out[4]!).toBeCloseTo(3, 6);
  expect((out[0]! - 1) / 2).toBeCloseTo(1 - out[2]!, 6);
  expect(out[0]).not.toBeCloseTo(3, 2);
  expect([out[1], out[3], out[5]]).toEqual([1, 1, 1]);
});

it('refuses what is no image', () => {
  const table = inMemory({ name: 'table', inputs: { x: { dtype: 'float32', dims: [3], data: new Float32Array(6) } } });
  expect(() => augment(table, [flip()])).toThrow(/holds no images/);
});
