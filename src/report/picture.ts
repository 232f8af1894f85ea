/** A sample as a picture: [C, H, W] or [H, W, C] of floats, stretched to black and white, as a PNG in a data URI. */

import type { Dataset } from '../data/index.ts';
import { elements, numbers, zeros } from '../graph/tensor.ts';
import type { Picture } from './search.ts';

/** Larger pictures are thinned out: a report is looked at, not measured. */
const SIDE = 96;

/** The first input of this sample as a picture; undefined when it is none. */
export async function pictureOf(data: Dataset, sample: number): Promise<Picture | undefined> {
  const [entry] = Object.entries(data.inputs);
  if (!entry) return undefined;
  const [name, { dtype, dims }] = entry;
  const layout = layoutOf(dims);
  if (!layout) return undefined;
  const tensor = zeros(dtype, [1, ...dims]);
  data.fill(name, [sample], elements(tensor));
  const values = numbers(tensor);
  const { channels, height, width, at } = layout;
  const step = Math.max(1, Math.ceil(Math.max(height, width) / SIDE));
  const [h, w] = [Math.floor(height / step), Math.floor(width / step)];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const pixels = new Uint8Array(h * w * channels);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      for (let c = 0; c < channels; c++) {
        const value = values[at(c, y * step, x * step)]!;
        pixels[(y * w + x) * channels + c] = Math.round((255 * (value - low)) / (high - low || 1));
      }
    }
  }
  const { encode } = await import('fast-png');
  const png = encode({ width: w, height: h, data: pixels, channels, depth: 8 });
  let text = '';
  for (const byte of png) text += String.fromCharCode(byte);
  return { uri: `data:image/png;base64,${btoa(text)}`, width: w, height: h };
}

function layoutOf(dims: readonly number[]) {
  const isColour = (n: number | undefined): n is 1 | 3 => n === 1 || n === 3;
  const [a, b, c] = dims;
  if (dims.length === 2 && a! >= 8 && b! >= 8) {
    return { channels: 1, height: a!, width: b!, at: (_: number, y: number, x: number) => y * b! + x };
  }
  if (dims.length !== 3) return undefined;
  if (isColour(a) && b! >= 8 && c! >= 8) {
    return { channels: a, height: b!, width: c!, at: (k: number, y: number, x: number) => (k * b! + y) * c! + x };
  }
  if (isColour(c) && a! >= 8 && b! >= 8) {
    return { channels: c, height: a!, width: b!, at: (k: number, y: number, x: number) => (y * b! + x) * c + k };
  }
  return undefined;
}
