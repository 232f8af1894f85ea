/** What one-shot second-order methods (OBS, SparseGPT, GPTQ) need of the Hessian of a layer's squared error. */

import { cholesky, solveCholesky } from './cholesky.ts';
import { type Matrix, matrix } from './matrix.ts';

export interface InverseFactor {
  /** Upper triangle U [n, n], row by row, with Uᵀ·U = (H + λ I)⁻¹. */
  readonly U: Float64Array;
  /** Columns that never see anything: their diagonal is 0. */
  readonly dead: readonly number[];
}

/**
 * The upper Cholesky factor of the inverse of H = 2 G + λ I, λ = `damping` · mean diagonal.
 *
 * Shapes   gram [n, n], the mean of x·xᵀ.
 * Throws   linear/singular when damping is 0 and the samples do not determine the layer.
 */
export function inverseFactor(n: number, gram: Float64Array, damping: number): InverseFactor {
  const H = matrix(
    n,
    n,
    gram.map((value) => 2 * value),
  );
  const dead: number[] = [];
  let mean = 0;
  for (let j = 0; j < n; j++) {
    if (H.data[j * n + j] === 0) {
      dead.push(j);
      H.data[j * n + j] = 1;
    }
    mean += H.data[j * n + j]! / n;
  }
  for (let j = 0; j < n; j++) H.data[j * n + j]! += damping * mean;
  const L = cholesky(solveCholesky(cholesky(H), unit(n))).data;
  const U = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) U[i * n + j] = L[j * n + i]!;
  return { U, dead };
}

const unit = (n: number): Matrix => {
  const I = matrix(n, n);
  for (let i = 0; i < n; i++) I.data[i * n + i] = 1;
  return I;
};
