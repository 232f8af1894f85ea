/**
 * GPTQ: weights get their codes one input at a time, and those that still have none make up for the error.
 *
 *   H = 2 E[x xᵀ] + λ I, λ = 0.01 · mean diagonal;   H = R Rᵀ with an upper triangle R
 *   w_k ← w_k − Σ_{i < k} F_ki · (q_i − w_i),   F_ki = R_ik / R_kk        then w_k gets its code q_k
 *
 * This is what the paper's updates by the factor of H⁻¹ come to: ‖Rᵀ d‖² is the layer's error, its k-th term depends on the
 * errors d up to k alone, and the weights that follow can make up for all later terms.
 * A block's scale is chosen when its turn comes, from what earlier errors have made of it.
 * Source   Frantar et al. 2023, "GPTQ", arXiv:2210.17323, algorithm 1.
 */

import { cholesky } from '../../linear/large-cholesky.ts';
import { matrix, type Product } from '../../linear/matrix.ts';
import { type BlockShape, type Blocks, blockCount, codeOf, gridOfBlock, transposed } from '../blocks.ts';

/** Share of the mean diagonal that is added to it. */
const DAMPING = 0.01;
/** Inputs between two products: what lies between is worked out weight by weight. */
const STRETCH = 64;

/**
 * F [K, K], below the diagonal: how much of each earlier weight's error a weight makes up for.
 *
 * Shapes   moments [K, K], the mean of x·xᵀ over what the layer reads; fewer samples than K are damped, and help less.
 */
export async function pulls(K: number, moments: Float64Array, product: Product): Promise<Float64Array> {
  const last = K * K - 1;
  // From the last input to the first: a lower triangle of that is an upper one of this.
  const H = matrix(K, K);
  let mean = 0;
  for (let i = 0; i <= last; i++) H.data[i] = 2 * moments[last - i]!;
  for (let k = 0; k < K; k++) {
    H.data[k * K + k] ||= 1; // an input that is always 0
    mean += H.data[k * K + k]! / K;
  }
  for (let k = 0; k < K; k++) H.data[k * K + k]! += DAMPING * mean;
  const L = (await cholesky(H, product)).data;
  const F = new Float64Array(K * K);
  for (let k = 0; k < K; k++) {
    const column = K - 1 - k;
    const pivot = L[column * K + column]!;
    for (let i = 0; i < k; i++) F[k * K + i] = L[(K - 1 - i) * K + column]! / pivot;
  }
  return F;
}

/**
 * Codes, scales and zero points of w [K, N].
 *
 * Shapes   F [K, K] from `pulls`.
 * Cost     K² N / 2 multiply-adds, nearly all of them in products.
 */
export async function gptq(
  w: Float32Array,
  shape: BlockShape,
  isSymmetric: boolean,
  F: Float64Array,
  product: Product,
): Promise<Blocks> {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const codes = new Uint8Array(N * K);
  const scales = new Float32Array(N * blocks);
  const zeros = isSymmetric ? undefined : new Uint8Array(N * blocks);
  const errors = new Float64Array(K * N);
  const stretch = Math.max(STRETCH, size);
  for (let from = 0; from < K; from += stretch) {
    const to = Math.min(K, from + stretch);
    const rest = w.slice(from * N, to * N);
    if (from > 0) {
      const before = matrix(to - from, from);
      for (let k = from; k < to; k++) before.data.set(F.subarray(k * K, k * K + from), (k - from) * from);
      const { data } = await product(before, matrix(from, N, errors.subarray(0, from * N)));
      for (let i = 0; i < rest.length; i++) rest[i]! -= data[i]!;
    }
    for (let start = from; start < to; start += size) {
      const end = Math.min(to, start + size);
      const grids = gridsOf(rest.subarray((start - from) * N, (end - from) * N), end - start, shape, isSymmetric);
      for (let n = 0; n < N; n++) {
        scales[n * blocks + start / size] = grids.scales[n]!;
        if (zeros) zeros[n * blocks + start / size] = grids.zeros[n]!;
      }
      for (let k = start; k < end; k++) {
        const [at, row] = [k * N, (k - from) * N];
        for (let n = 0; n < N; n++) {
          const [scale, zero] = [grids.scales[n]!, grids.zeros[n]!];
          const code = codeOf(rest[row + n]! / scale, zero, bits);
          codes[n * K + k] = code;
          errors[at + n] = (code - zero) * scale - w[at + n]!;
        }
        for (let j = k + 1; j < to; j++) subtract(rest, (j - from) * N, errors, at, F[j * K + k]!, N);
      }
    }
  }
  return { codes, scales, ...(zeros && { zeros }) };
}

/** The grid of each column of w [count, N]. */
function gridsOf(w: Float32Array, count: number, { N, bits }: BlockShape, isSymmetric: boolean) {
  const scales = new Float32Array(N);
  const zeros = new Uint8Array(N);
  const rows = transposed(w, count, N);
  for (let n = 0; n < N; n++) {
    const { scale, zero } = gridOfBlock(rows, n * count, (n + 1) * count, bits, isSymmetric);
    [scales[n], zeros[n]] = [scale, zero];
  }
  return { scales, zeros };
}

function subtract(x: Float32Array, to: number, y: Float64Array, from: number, factor: number, count: number): void {
  if (factor !== 0) for (let n = 0; n < count; n++) x[to + n]! -= factor * y[from + n]!;
}
