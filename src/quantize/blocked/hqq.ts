/**
 * Half-quadratic quantisation: zero points fitted so that the bulk of the weights is hit and outliers give way.
 *
 *   min over z of  ‖W − s (Q − z)‖_p,  p = 0.7      with an auxiliary error E, alternately:
 *   E = shrink(W − Wr, β, p)        shrink(x) = sign(x) · max(0, |x| − |x|^(p − 1) / β)
 *   z = mean over the block of (Q − (W − E) / s)
 *
 * Constants  β = 10, ×1.01 a round, 20 rounds at most; stops when the error grows.
 * Source   Badri & Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models", Mobius Labs.
 */

import { type BlockShape, type Blocks, blockCount, roundToNearest } from '../blocks.ts';

const P = 0.7;
const ROUNDS = 20;

/** Codes, scales and zero points of w [K, N]. Zero points are rounded to codes, as the engine stores them. */
export function hqq(w: Float32Array, shape: BlockShape): Blocks {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const top = 2 ** bits - 1;
  const { codes, scales, zeros } = roundToNearest(w, shape, false);
  const x = new Float64Array(size);
  const q = new Float64Array(size);
  for (let n = 0; n < N; n++) {
    for (let b = 0; b < blocks; b++) {
      const [from, to] = [b * size, Math.min(K, (b + 1) * size)];
      const count = to - from;
      const scale = scales[n * blocks + b]!;
      for (let i = 0; i < count; i++) x[i] = w[(from + i) * N + n]! / scale;
      const zero = fit(x.subarray(0, count), zeros![n * blocks + b]!, scale, top, q);
      zeros![n * blocks + b] = zero;
      for (let i = 0; i < count; i++) codes[n * K + from + i] = code(x[i]!, zero, top);
    }
  }
  return { codes, scales, zeros: zeros! };
}

const code = (x: number, zero: number, top: number): number => Math.min(top, Math.max(0, Math.round(x + zero)));

/** The best zero point of one block; x in steps. */
function fit(x: Float64Array, start: number, scale: number, top: number, q: Float64Array): number {
  let beta = 10;
  let zero = start;
  let best = start;
  let least = errorOf(x, start, top);
  for (let round = 0; round < ROUNDS; round++) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      q[i] = code(x[i]!, zero, top);
      const rest = (x[i]! - (q[i]! - zero)) * scale;
      const size = Math.abs(rest);
      const shrunk = size === 0 ? 0 : Math.sign(rest) * Math.max(0, size - size ** (P - 1) / beta);
      sum += q[i]! - (x[i]! - shrunk / scale);
    }
    zero = sum / x.length;
    beta *= 1.01;
    const rounded = Math.min(top, Math.max(0, Math.round(zero)));
    const error = errorOf(x, rounded, top);
    if (error < least) [least, best] = [error, rounded];
  }
  return best;
}

const errorOf = (x: Float64Array, zero: number, top: number): number =>
  x.reduce((sum, value) => sum + Math.abs(value - (code(value, zero, top) - zero)) ** P, 0);
