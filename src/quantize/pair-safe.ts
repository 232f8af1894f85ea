/**
 * 8-bit weights whose products cannot overflow where the engine adds neighbours in 16 bits (x86 without VNNI).
 *
 *   u8 · s8 + u8 · s8 fits into int16 for every activation   ⇔   −128 ≤ q[2j] + q[2j+1] ≤ 128
 *
 * Neighbours are the weights of one output channel in the order in which the engine sums: taps outside, input channels
 * inside (measured on ONNX Runtime 1.30; depthwise kernels add in 32 bits and are free). Keeping to pairs costs a third
 * of a bit where halving all weights costs a whole one.
 */

import { sizeOf } from '../graph/tensor.ts';
import { roundEven, symmetricScale } from './grid.ts';

/** The largest sum of two neighbours. */
const MOST = 128;
const LIMIT = 127;
/** Scales tried between the finest (only |q| ≤ 127 holds, pairs are clipped) and the one at which no pair is clipped. */
const TRIES = 8;

export interface Weights {
  /** One per channel. */
  readonly scales: Float32Array;
  readonly codes: Int8Array;
  /** How many the layer had when they were chosen. */
  readonly bits: number;
}

/** Offsets of one output channel's weights in the order of summation, from the channel's first. */
export function summationOrder(dims: readonly number[], axis: number): { order: Int32Array; stride: number } {
  const strides = dims.map((_, i) => sizeOf(dims.slice(i + 1)));
  const [lane, ...taps] = dims.flatMap((_, i) => (i === axis ? [] : [i])) as [number, ...number[]];
  const order = new Int32Array(sizeOf(dims) / dims[axis]!);
  const places = sizeOf(taps.map((i) => dims[i]!));
  let at = 0;
  for (let place = 0; place < places; place++) {
    let rest = place;
    let offset = 0;
    for (const i of taps.toReversed()) {
      offset += (rest % dims[i]!) * strides[i]!;
      rest = Math.floor(rest / dims[i]!);
    }
    for (let c = 0; c < dims[lane]!; c++) order[at++] = offset + c * strides[lane]!;
  }
  return { order, stride: strides[axis]! };
}

/**
 * Integers of weights and their scales, with the least squared error among the scales tried, channel by channel.
 *
 * Shapes   w as `dims`; one scale per index of `axis`.
 */
export function pairSafe(w: ArrayLike<number>, dims: readonly number[], axis: number, perChannel = true): Weights {
  const { order, stride } = summationOrder(dims, axis);
  const channels = dims[axis]!;
  const scales = new Float32Array(channels);
  const codes = new Int8Array(w.length);
  const tried = new Int8Array(order.length);
  if (!perChannel) {
    // One scale for all: the coarsest that any channel needs, so that no pair is clipped.
    let safe = 0;
    for (let c = 0; c < channels; c++) safe = Math.max(safe, boundsOf(w, order, c * stride).safe);
    for (let c = 0; c < channels; c++) {
      scales[c] = Math.fround(safe || 1);
      fill(w, order, c * stride, scales[c]!, tried);
      order.forEach((offset, i) => {
        codes[c * stride + offset] = tried[i]!;
      });
    }
    return { scales, codes, bits: 8 };
  }
  for (let c = 0; c < channels; c++) {
    const base = c * stride;
    const { fine, safe } = boundsOf(w, order, base);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES; i++) {
      const scale = Math.fround(fine + ((safe - fine) * i) / (TRIES - 1));
      const error = fill(w, order, base, scale, tried);
      if (error >= least) continue;
      least = error;
      scales[c] = scale;
      order.forEach((offset, j) => {
        codes[base + offset] = tried[j]!;
      });
      if (safe === fine) break;
    }
  }
  return { scales, codes, bits: 8 };
}

/** The same codes rule for scales that are given: no pair of the result can overflow. */
export function pairSafeCodes(
  w: ArrayLike<number>,
  dims: readonly number[],
  axis: number,
  scales: Float32Array,
): Int8Array {
  const { order, stride } = summationOrder(dims, axis);
  const codes = new Int8Array(w.length);
  const tried = new Int8Array(order.length);
  for (let c = 0; c < dims[axis]!; c++) {
    fill(w, order, c * stride, scales[c]!, tried);
    order.forEach((offset, i) => {
      codes[c * stride + offset] = tried[i]!;
    });
  }
  return codes;
}

/** The scale for ±127, and the one at which pairs fit by themselves. */
function boundsOf(w: ArrayLike<number>, order: Int32Array, base: number): { fine: number; safe: number } {
  let most = 0;
  let pair = 0;
  for (let i = 0; i < order.length; i++) {
    const a = w[base + order[i]!]!;
    most = Math.max(most, Math.abs(a));
    if (i % 2 === 0 && i + 1 < order.length) pair = Math.max(pair, Math.abs(a + w[base + order[i + 1]!]!));
  }
  const fine = symmetricScale(most, LIMIT);
  return { fine, safe: Math.max(fine, pair / MOST) };
}

/** Rounds one channel into `into`; pairs that are too large give way where it costs least. Returns the squared error. */
function fill(w: ArrayLike<number>, order: Int32Array, base: number, scale: number, into: Int8Array): number {
  let error = 0;
  for (let i = 0; i < order.length; i += 2) {
    const x = w[base + order[i]!]! / scale;
    let a = within(roundEven(x));
    if (i + 1 === order.length) {
      into[i] = a;
      error += (x - a) ** 2;
      break;
    }
    const y = w[base + order[i + 1]!]! / scale;
    let b = within(roundEven(y));
    const sign = Math.sign(a + b);
    // One step at a time from the one that stands further above its own value.
    while (Math.abs(a + b) > MOST) {
      if (sign * (a - x) >= sign * (b - y)) a -= sign;
      else b -= sign;
    }
    into[i] = a;
    into[i + 1] = b;
    error += (x - a) ** 2 + (y - b) ** 2;
  }
  return error * scale * scale;
}

const within = (q: number): number => Math.min(LIMIT, Math.max(-LIMIT, q));
