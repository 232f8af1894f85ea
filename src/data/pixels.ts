/** Images as bytes: resize as Pillow does, cut from the middle, grey and colour. */

import { PareError } from '../base/error.ts';
import type { ImageOptions, ImageShape } from './preprocess.ts';

/** data [height, width, channels]. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** For each output position: where its window begins, and the weights along it. */
function windows(from: number, to: number): { start: number; weights: Float64Array }[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, k) =>
      Math.max(0, 1 - Math.abs(start + k + 0.5 - centre) / reach),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: weights.map((weight) => weight / total) };
  });
}

/**
 * Bilinear, with the window widened when shrinking (anti-aliased), half-pixel centres: Pillow's BILINEAR filter.
 *
 * Source   Pillow, src/libImaging/Resample.c; equal within one grey level, since Pillow's weights are fixed-point.
 */
export function resize(image: Pixels, height: number, width: number): Pixels {
  const { channels, data } = image;
  if (height === image.height && width === image.width) return image;
  const across = windows(image.width, width);
  const narrow = new Uint8Array(image.height * width * channels);
  for (let y = 0, at = 0; y < image.height; y++) {
    for (const { start, weights } of across) {
      const from = (y * image.width + start) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0.5;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[from + k * channels + c]!;
        narrow[at++] = sum;
      }
    }
  }
  const down = windows(image.height, height);
  const row = width * channels;
  const out = new Uint8Array(height * row);
  for (let y = 0, at = 0; y < height; y++) {
    const { start, weights } = down[y]!;
    for (let x = 0; x < row; x++) {
      let sum = 0.5;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * narrow[(start + k) * row + x]!;
      out[at++] = sum;
    }
  }
  return { width, height, channels, data: out };
}

/** The middle of the image. Throws data/crop when the image is smaller. */
export function crop(image: Pixels, height: number, width: number): Pixels {
  const { channels, data } = image;
  if (height === image.height && width === image.width) return image;
  if (height > image.height || width > image.width) {
    throw new PareError('data/crop', `A crop of ${width} x ${height} does not fit into the image.`, {
      expected: `at most ${image.width} x ${image.height}`,
      got: `${width} x ${height}`,
      hint: `resize to at least ${Math.max(width, height)} first`,
    });
  }
  const top = Math.round((image.height - height) / 2);
  const left = Math.round((image.width - width) / 2);
  const out = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * channels;
    out.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data: out };
}

/** Grey from RGB by the luma of ITU-R 601-2 (as Pillow's convert('L')), RGB from grey by repetition. */
export function toChannels(image: Pixels, channels: 1 | 3): Pixels {
  if (image.channels === channels) return image;
  const { width, height, data } = image;
  const out = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    if (channels === 1) {
      out[i] = (data[3 * i]! * 19595 + data[3 * i + 1]! * 38470 + data[3 * i + 2]! * 7471 + 0x8000) >> 16;
    } else out.fill(data[i]!, 3 * i, 3 * i + 3);
  }
  return { width, height, channels, data: out };
}

/** Is every pixel of it grey? */
export function isGrey({ channels, data }: Pixels): boolean {
  if (channels === 1) return true;
  for (let i = 0; i < data.length; i += 3) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

type FrameOptions = Pick<ImageOptions, 'resize' | 'crop' | 'channels'>;

/**
 * Channels, then resize, then crop, each only where asked.
 *
 * A single number resizes the shorter side and keeps the proportions (the longer side rounded down, as torchvision).
 */
export function frame(image: Pixels, options: FrameOptions): Pixels {
  let out = options.channels ? toChannels(image, options.channels) : image;
  if (typeof options.resize === 'number') {
    const side = options.resize;
    const longer = Math.floor((side * Math.max(out.width, out.height)) / Math.min(out.width, out.height));
    out = out.width <= out.height ? resize(out, longer, side) : resize(out, side, longer);
  } else if (options.resize) out = resize(out, ...options.resize);
  if (typeof options.crop === 'number') out = crop(out, options.crop, options.crop);
  else if (options.crop) out = crop(out, ...options.crop);
  return out;
}

/** `frame` for N images of one shape in one array; the array itself when nothing was asked. */
export function frameAll(
  pixels: Uint8Array,
  count: number,
  shape: ImageShape,
  options: FrameOptions,
): { pixels: Uint8Array; shape: ImageShape } {
  const { channels, height, width, layout } = shape;
  const asked = options.resize || options.crop || (options.channels && options.channels !== channels);
  if (!asked || (channels !== 1 && channels !== 3)) return { pixels, shape };
  const sample = channels * height * width;
  let out = new Uint8Array(0);
  let fitted: Pixels | undefined;
  for (let i = 0; i < count; i++) {
    const one = pixels.subarray(i * sample, (i + 1) * sample);
    const data = layout === 'nchw' && channels === 3 ? interleaved(one, height * width) : one;
    fitted = frame({ width, height, channels, data }, options);
    if (i === 0) out = new Uint8Array(count * fitted.data.length);
    out.set(fitted.data, i * fitted.data.length);
  }
  if (!fitted) return { pixels, shape };
  return {
    pixels: out,
    shape: { channels: fitted.channels, height: fitted.height, width: fitted.width, layout: 'nhwc' },
  };
}

/** [3, area] → [area, 3]. */
function interleaved(planes: Uint8Array, area: number): Uint8Array {
  const out = new Uint8Array(planes.length);
  for (let i = 0; i < planes.length; i++) out[(i % area) * 3 + Math.floor(i / area)] = planes[i]!;
  return out;
}
