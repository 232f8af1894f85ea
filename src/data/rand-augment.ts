/**
 * RandAugment: some of fourteen changes, all at one strength, without a search.
 *
 * Pixels come as the network sees them, so black and white are the image's least and greatest value. Changes with a direction take it at
 * random.
 *
 * Source   Cubuk et al. 2020, arXiv:1909.13719; what each change is, and how far strength 10 goes, as in Cubuk et al. 2019,
 *          arXiv:1805.09501, table 6.
 */

import type { ImageSize, ImageTransform } from './augment.ts';
import { shift, warp } from './image-transforms.ts';

/** `amount` is the strength as a share of 1, signed where the change has a direction. */
type Change = (image: Float32Array, size: ImageSize, amount: number, out: Float32Array) => void;

/** out = to + (image − to) · factor: away from something, or towards it. */
function blend(image: Float32Array, to: (i: number) => number, factor: number, out: Float32Array): void {
  for (let i = 0; i < image.length; i++) out[i] = to(i) + (image[i]! - to(i)) * factor;
}

function rangeOf(values: Float32Array): { low: number; high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/** Each channel by itself: what it becomes, given its values and the range of the whole image. */
const perChannel =
  (change: (channel: Float32Array, range: { low: number; high: number }, out: Float32Array) => void): Change =>
  (image, { channels, height, width }, _, out) => {
    const range = rangeOf(image);
    const area = height * width;
    for (let c = 0; c < channels; c++) {
      const part = [c * area, (c + 1) * area] as const;
      change(image.subarray(...part), range, out.subarray(...part));
    }
  };

/** The grey of each pixel: the mean of its channels. */
function greys(image: Float32Array, { channels, height, width }: ImageSize): Float32Array {
  const area = height * width;
  const grey = new Float32Array(area);
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) grey[i]! += image[c * area + i]! / channels;
  return grey;
}

/** Every pixel with its eight neighbours, itself five times of thirteen; the border stays. */
function smoothed(image: Float32Array, { channels, height, width }: ImageSize): Float32Array {
  const out = image.slice();
  for (let c = 0; c < channels; c++) {
    for (let y = 1; y < height - 1; y++) {
      for (let x = 1; x < width - 1; x++) {
        const at = (c * height + y) * width + x;
        let sum = 4 * image[at]!;
        for (let dy = -width; dy <= width; dy += width) for (let dx = -1; dx <= 1; dx++) sum += image[at + dy + dx]!;
        out[at] = sum / 13;
      }
    }
  }
  return out;
}

/** Grey levels that a histogram tells apart. */
const LEVELS = 256;

const turn = (image: Float32Array, size: ImageSize, angle: number, out: Float32Array): void =>
  warp(image, size, [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)], out);

/** The changes by name. */
export const CHANGES: Readonly<Record<string, Change>> = {
  identity: (image, _, __, out) => out.set(image),
  'auto-contrast': perChannel((channel, { low, high }, out) => {
    const own = rangeOf(channel);
    const factor = own.high > own.low ? (high - low) / (own.high - own.low) : 1;
    for (let i = 0; i < channel.length; i++) out[i] = low + (channel[i]! - own.low) * factor;
  }),
  equalize: perChannel((channel, { low, high }, out) => {
    const level = (value: number): number =>
      Math.min(LEVELS - 1, Math.floor(((value - low) / Math.max(high - low, 1e-12)) * LEVELS));
    const counts = new Float64Array(LEVELS);
    for (const value of channel) counts[level(value)]! += 1;
    let below = 0;
    const share = counts.map((count) => {
      const middle = (below + count / 2) / channel.length;
      below += count;
      return middle;
    });
    for (let i = 0; i < channel.length; i++) out[i] = low + (high - low) * share[level(channel[i]!)]!;
  }),
  rotate: (image, size, amount, out) => turn(image, size, (amount * Math.PI) / 6, out),
  solarize: (image, _, amount, out) => {
    const { low, high } = rangeOf(image);
    const threshold = high - amount * (high - low);
    for (let i = 0; i < image.length; i++) out[i] = image[i]! > threshold ? low + high - image[i]! : image[i]!;
  },
  posterize: (image, _, amount, out) => {
    const { low, high } = rangeOf(image);
    const steps = 2 ** (8 - Math.round(4 * amount));
    const width = (high - low) / steps || 1;
    for (let i = 0; i < image.length; i++) {
      out[i] = low + width * Math.min(steps - 1, Math.floor((image[i]! - low) / width));
    }
  },
  colour: (image, size, amount, out) => {
    const grey = greys(image, size);
    blend(image, (i) => grey[i % grey.length]!, 1 + 0.9 * amount, out);
  },
  contrast: (image, _, amount, out) => {
    const mean = image.reduce((sum, value) => sum + value, 0) / image.length;
    blend(image, () => mean, 1 + 0.9 * amount, out);
  },
  brightness: (image, _, amount, out) => {
    const { low } = rangeOf(image);
    blend(image, () => low, 1 + 0.9 * amount, out);
  },
  sharpness: (image, size, amount, out) => {
    const soft = smoothed(image, size);
    blend(image, (i) => soft[i]!, 1 + 0.9 * amount, out);
  },
  'shear-x': (image, size, amount, out) => warp(image, size, [1, 0, 0.3 * amount, 1], out),
  'shear-y': (image, size, amount, out) => warp(image, size, [1, 0.3 * amount, 0, 1], out),
  'translate-x': (image, size, amount, out) => shift(image, size, 0, Math.round(0.45 * amount * size.width), out),
  'translate-y': (image, size, amount, out) => shift(image, size, Math.round(0.45 * amount * size.height), 0, out),
};

/** Changes that go one way only. */
const ONE_WAY = new Set(['identity', 'auto-contrast', 'equalize', 'solarize', 'posterize']);

/** `count` changes drawn from all, one after the other, each at `strength` of 10. Defaults 2 and 5. */
export function randAugment({ count = 2, strength = 5 }: { count?: number; strength?: number } = {}): ImageTransform {
  const all = Object.entries(CHANGES);
  return (image, size, random, out) => {
    out.set(image);
    for (let i = 0; i < count; i++) {
      const [name, change] = all[random.integer(all.length)]!;
      const turns = !ONE_WAY.has(name) && random.uniform() < 0.5;
      change(out.slice(), size, ((turns ? -1 : 1) * strength) / 10, out);
    }
  };
}
