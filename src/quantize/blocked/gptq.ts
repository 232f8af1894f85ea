/**
 * GPTQ: weights get their codes one input at a time, and those that still have none make up for the error.
 *
 *   H = 2 E[x xᵀ] + λ I, λ = 0.01 · mean diagonal;   U: the upper Cholesky factor of H⁻¹
 *   e = (w_k − q(w_k)) / U_kk;   w_j := w_j − U_kj · e    for j > k
 *
 * A block's scale is chosen when its turn comes, from what earlier errors have made of it.
 * Source   Frantar et al. 2023, "GPTQ", arXiv:2210.17323, algorithm 1.
 */

import { inverseFactor } from '../../linear/inverse-factor.ts';
import { type BlockShape, type Blocks, blockCount, roundToNearest } from '../blocks.ts';

/** Share of the mean diagonal that is added to it. */
const DAMPING = 0.01;

/**
 * Codes, scales and zero points of w [K, N].
 *
 * Shapes   moments [K, K], the mean of x·xᵀ over what the layer reads; fewer samples than K are damped, and help less.
 * Cost     K² N / 2 multiply-adds and three factorisations of order K³ / 3.
 */
export function gptq(w: Float32Array, shape: BlockShape, isSymmetric: boolean, moments: Float64Array): Blocks {
  const { K, N, bits, size } = shape;
  const { U } = inverseFactor(K, moments, DAMPING);
  const blocks = blockCount(shape);
  const [middle, top] = [2 ** (bits - 1), 2 ** bits - 1];
  const rest = w.slice();
  const codes = new Uint8Array(N * K);
  const scales = new Float32Array(N * blocks);
  const zeros = isSymmetric ? undefined : new Uint8Array(N * blocks);
  const error = new Float32Array(N);
  for (let b = 0; b < blocks; b++) {
    const [from, to] = [b * size, Math.min(K, (b + 1) * size)];
    const grid = roundToNearest(rest.subarray(from * N, to * N), { K: to - from, N, bits, size }, isSymmetric);
    for (let n = 0; n < N; n++) {
      scales[n * blocks + b] = grid.scales[n]!;
      if (zeros) zeros[n * blocks + b] = grid.zeros![n]!;
    }
    for (let k = from; k < to; k++) {
      const pivot = U[k * K + k]!;
      for (let n = 0; n < N; n++) {
        const [x, scale, zero] = [rest[k * N + n]!, grid.scales[n]!, grid.zeros?.[n] ?? middle];
        const code = Math.min(top, Math.max(0, Math.round(x / scale) + zero));
        codes[n * K + k] = code;
        error[n] = (x - (code - zero) * scale) / pivot;
      }
      for (let j = k + 1; j < K; j++) subtract(rest, j * N, error, U[k * K + j]!);
    }
  }
  return { codes, scales, ...(zeros && { zeros }) };
}

function subtract(rest: Float32Array, at: number, error: Float32Array, factor: number): void {
  if (factor === 0) return;
  for (let n = 0; n < error.length; n++) rest[at + n]! -= factor * error[n]!;
}
