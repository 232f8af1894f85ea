/** From stored bytes to what an image network sees: scale, mean, standard deviation and layout. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import type { Stored } from './dataset.ts';

export type Layout = 'nchw' | 'nhwc';

export interface ImageOptions {
  /** Where scale, mean and std start from. Default `unit`. */
  readonly preset?: PresetName;
  /** Per channel, after scaling: value = (stored · scale − mean) / std. One number serves all channels. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Factor on the stored value (0 to 255). */
  readonly scale?: number;
  /** Order of the axes that the model takes. Default `nchw`. */
  readonly layout?: Layout;
  /** Shorter side after resizing, in pixels (bilinear, anti-aliased), or [height, width] exactly. Default: as it is. */
  readonly resize?: number | readonly [number, number];
  /** Side of the square cut from the middle, in pixels, or [height, width]. Default: nothing is cut. */
  readonly crop?: number | readonly [number, number];
  /** 1 is grey, 3 is RGB. Default: 1 when every image is grey, else 3. */
  readonly channels?: 1 | 3;
  /** Decoded bytes of a folder of images that stay in memory; a larger folder lies in a temporary file. Default 256 MiB. */
  readonly memoryBytes?: number;
}

interface Normalisation {
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Starting points for `scale`, `mean` and `std`. */
export const PRESETS = {
  /** As torchvision's ImageNet models were trained. */
  imagenet: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  /** 0 to 1. */
  unit: { scale: 1 / 255, mean: [0], std: [1] },
  /** The bytes as they are, 0 to 255. */
  raw: { scale: 1, mean: [0], std: [1] },
} as const satisfies Record<string, Normalisation>;

export type PresetName = keyof typeof PRESETS;

/**
 * The affine map of the options: value = stored · scale[c] + shift[c].
 *
 * On grey images, an RGB mean or std is averaged over the three channels.
 *
 * Throws   option/unknown for an unknown preset; data/preset when mean or std fit no such channels, or std is 0.
 */
export function normalisation(options: ImageOptions, channels: number): { scale: number[]; shift: number[] } {
  const preset: Normalisation = pick(PRESETS, options.preset ?? 'unit', 'preset');
  const { scale = preset.scale, mean = preset.mean, std = preset.std } = options;
  const spread = (values: readonly number[], what: string): readonly number[] => {
    if (values.length === channels) return values;
    if (values.length === 1) return new Array<number>(channels).fill(values[0]!);
    if (channels === 1 && values.length === 3) return [(values[0]! + values[1]! + values[2]!) / 3];
    throw new PareError('data/preset', `A ${what} of ${values.length} numbers does not fit ${channels} channels.`, {
      expected: `1 or ${channels} numbers`,
      got: values.join(', '),
    });
  };
  const means = spread(mean, 'mean');
  const stds = spread(std, 'std');
  if (stds.some((value) => !(value > 0))) {
    throw new PareError('data/preset', 'A standard deviation must be above 0.', { got: stds.join(', ') });
  }
  return { scale: stds.map((value) => scale / value), shift: stds.map((value, c) => -means[c]! / value) };
}

export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** How the bytes lie. */
  readonly layout: Layout;
}

/** N images of one shape as a column in the layout that the options ask for. */
export function imageColumn(pixels: Uint8Array, shape: ImageShape, options: ImageOptions): Stored {
  const { channels, height, width } = shape;
  const layout = options.layout ?? 'nchw';
  const area = height * width;
  const data = layout === shape.layout || channels === 1 ? pixels : transposed(pixels, area, channels, layout);
  return {
    dtype: 'float32',
    dims: layout === 'nchw' ? [channels, height, width] : [height, width, channels],
    data,
    ...normalisation(options, channels),
    channelAxis: layout === 'nchw' ? 0 : 2,
  };
}

/** [N, area, C] → [N, C, area] (`to` nchw), or back. */
function transposed(pixels: Uint8Array, area: number, channels: number, to: Layout): Uint8Array {
  const out = new Uint8Array(pixels.length);
  const [stepArea, stepChannel] = to === 'nchw' ? [channels, 1] : [1, area];
  const sample = area * channels;
  let at = 0;
  for (let base = 0; base < pixels.length; base += sample) {
    if (to === 'nchw') {
      for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) out[at++] = pixels[base + i * stepArea + c]!;
    } else {
      for (let i = 0; i < area; i++) for (let c = 0; c < channels; c++) out[at++] = pixels[base + i + c * stepChannel]!;
    }
  }
  return out;
}
