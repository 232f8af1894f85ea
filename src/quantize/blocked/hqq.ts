/**
 * Half-quadratic quantisation: zero points fitted so that the bulk of the weights is hit and outliers give way.
 *
 *   min over z of  ‖W − s (Q − z)‖_p,  p = 0.7      with an auxiliary error E, alternately:
 *   E = shrink(W − Wr, β, p)        shrink(x) = sign(x) · max(0, |x| − |x|^(p − 1) / β)
 *   z = mean over the block of (Q − (W − E) / s)
 *
 * Constants  β = 10, ×1.01 a round, 20 rounds at most; stops when the error no longer falls.
 * Source   Badri & Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models", Mobius Labs.
 */

import { type BlockBits, type BlockShape, type Blocks, blockCount, codeOf, roundRows, transposed } from '../blocks.ts';

const P = 0.7;
const ROUNDS = 20;

/** Codes, scales and zero points of w [K, N]. Zero points are rounded to codes, as the engine's fast kernel wants them. */
export function hqq(w: Float32Array, shape: BlockShape): Blocks {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const rows = transposed(w, K, N);
  const { codes, scales, zeros } = roundRows(rows, shape, false);
  const x = new Float64Array(size);
  for (let n = 0, at = 0; n < N; n++) {
    for (let b = 0; b < blocks; b++) {
      const count = Math.min(size, K - b * size);
      const scale = scales[n * blocks + b]!;
      for (let i = 0; i < count; i++) x[i] = rows[at + i]! / scale;
      const zero = fit(x.subarray(0, count), zeros![n * blocks + b]!, scale, bits);
      zeros![n * blocks + b] = zero;
      for (let i = 0; i < count; i++) codes[at + i] = codeOf(x[i]!, zero, bits);
      at += count;
    }
  }
  return { codes, scales, zeros: zeros! };
}

/** The best zero point of one block; x in steps. */
function fit(x: Float64Array, start: number, scale: number, bits: BlockBits): number {
  let beta = 10;
  let zero = start;
  let best = start;
  let least = errorOf(x, start, bits);
  for (let round = 0; round < ROUNDS; round++) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      const q = codeNear(x[i]!, zero, bits);
      const rest = (x[i]! - (q - zero)) * scale;
      const size = Math.abs(rest);
      const shrunk = size === 0 ? 0 : Math.sign(rest) * Math.max(0, size - size ** (P - 1) / beta);
      sum += q - (x[i]! - shrunk / scale);
    }
    zero = sum / x.length;
    beta *= 1.01;
    const rounded = Math.min((1 << bits) - 1, Math.max(0, Math.round(zero)));
    if (rounded === best) break;
    const error = errorOf(x, rounded, bits);
    if (error >= least) break;
    [least, best] = [error, rounded];
  }
  return best;
}

/** As `codeOf`, for zero points between two codes. */
const codeNear = (x: number, zero: number, bits: BlockBits): number =>
  Math.min((1 << bits) - 1, Math.max(0, Math.round(x + zero)));

function errorOf(x: Float64Array, zero: number, bits: BlockBits): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(x[i]! - (codeOf(x[i]!, zero, bits) - zero)) ** P;
  return sum;
}
