/** Weights as integers: symmetric, one scale per channel or one for all. */

import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { symmetricScale } from './grid.ts';

/** How a tensor's elements lie along one axis: element = (outer · channels + channel) · inner + place. */
export interface Along {
  readonly channels: number;
  readonly inner: number;
}

export const along = (dims: readonly number[], axis: number): Along => ({
  channels: dims[axis]!,
  inner: sizeOf(dims.slice(axis + 1)),
});

/** The largest integer of an int4 on a symmetric grid. */
export const INT4_LIMIT = 7;

/** The largest integer of a symmetric grid of so many bits; of 7 bits 64, whose pairs just fit where products add in 16 bits. */
export const limitOf = (bits: number): number => (bits === 7 ? 64 : 2 ** (bits - 1) - 1);

/** Codes of ±7 as an int4 tensor: two to a byte, the first in the low half. */
export function packInt4(dims: readonly number[], codes: Int8Array): Tensor {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < codes.length; i++) bytes[i >> 1]! |= (codes[i]! & 15) << (4 * (i & 1));
  return { dtype: 'int4', dims, bytes };
}

/** The largest |w| of each channel. */
export function channelMaxima(w: ArrayLike<number>, { channels, inner }: Along): Float64Array {
  const most = new Float64Array(channels);
  for (let i = 0, at = 0; at < w.length; i++) {
    const c = i % channels;
    let m = most[c]!;
    for (const end = at + inner; at < end; at++) {
      const size = Math.abs(w[at]!);
      if (size > m) m = size;
    }
    most[c] = m;
  }
  return most;
}

/** Symmetric scales of each channel for integers up to `limit`; all the same when not per channel. */
export function weightScales(w: ArrayLike<number>, lie: Along, limit: number, perChannel: boolean): Float32Array {
  const most = channelMaxima(w, lie);
  if (!perChannel) most.fill(most.reduce((a, b) => Math.max(a, b), 0));
  return Float32Array.from(most, (size) => symmetricScale(size, limit));
}

/** What this is added to, and taken off again, is a whole number: the nearest, halves to even. */
const WHOLE = 1.5 * 2 ** 52;

/**
 * round(w / s) of each element, within ±limit.
 *
 * Shapes   w and the result as `lie` says; scales one per channel.
 */
export function quantizeWeight(
  w: ArrayLike<number>,
  scales: Float32Array,
  { channels, inner }: Along,
  limit: number,
): Int8Array {
  const q = new Int8Array(w.length);
  for (let i = 0, at = 0; at < w.length; i++) {
    const scale = scales[i % channels]!;
    for (const end = at + inner; at < end; at++) {
      const code = w[at]! / scale + WHOLE - WHOLE;
      q[at] = Math.min(limit, Math.max(-limit, code));
    }
  }
  return q;
}

/** The floats that integers stand for. */
export function dequantizeWeight(q: Int8Array, scales: Float32Array, { channels, inner }: Along): Float32Array {
  const w = new Float32Array(q.length);
  for (let i = 0, at = 0; at < q.length; i++) {
    const scale = scales[i % channels]!;
    for (const end = at + inner; at < end; at++) w[at] = q[at]! * scale;
  }
  return w;
}

/** What rounding adds to each element: the floats that integers stand for, less those they were made of. */
export function roundingOf(
  w: ArrayLike<number>,
  q: Int8Array,
  scales: Float32Array,
  { channels, inner }: Along,
): Float32Array {
  const difference = new Float32Array(q.length);
  for (let i = 0, at = 0; at < q.length; i++) {
    const scale = scales[i % channels]!;
    for (const end = at + inner; at < end; at++) difference[at] = Math.fround(q[at]! * scale) - w[at]!;
  }
  return difference;
}
