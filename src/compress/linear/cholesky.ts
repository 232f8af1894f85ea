/**
 * Ridge least squares through the Cholesky factor of the normal matrix.
 *
 *   (G + λ D) W = B,   G = XᵀX, B = XᵀY, D = mean diagonal of G (0 for rows that are not shrunk)
 *   G + λ D = L Lᵀ,    L z = b, Lᵀ w = z
 */

import { PareError } from '../../base/error.ts';
import { type Matrix, matrix } from './matrix.ts';

/**
 * The lower triangle L with L·Lᵀ = A, for a symmetric positive definite A [n, n].
 *
 * Throws   compress/singular when A is not positive definite.
 */
export function cholesky({ rows: n, data }: Matrix): Matrix {
  const L = matrix(n, n, data.slice());
  const a = L.data;
  for (let j = 0; j < n; j++) {
    const top = j * n;
    for (let i = j; i < n; i++) {
      const at = i * n;
      let sum = a[at + j]!;
      for (let k = 0; k < j; k++) sum -= a[at + k]! * a[top + k]!;
      if (i === j) {
        if (!(sum > 0)) {
          throw new PareError('compress/singular', 'The samples do not determine the layer.', {
            expected: 'more samples, or a larger ridge',
          });
        }
        a[at + j] = Math.sqrt(sum);
      } else a[at + j] = sum / a[top + j]!;
    }
    for (let k = j + 1; k < n; k++) a[top + k] = 0;
  }
  return L;
}

/** X with L·Lᵀ·X = B, for B [n, m]. */
export function solveCholesky(L: Matrix, B: Matrix): Matrix {
  const { rows: n, data: l } = L;
  const m = B.columns;
  const X = matrix(n, m, B.data.slice());
  const x = X.data;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k]!;
      if (factor !== 0) for (let j = 0; j < m; j++) x[i * m + j]! -= factor * x[k * m + j]!;
    }
    for (let j = 0; j < m; j++) x[i * m + j]! /= l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = 0; j < m; j++) x[i * m + j]! /= l[i * n + i]!;
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k]!;
      if (factor !== 0) for (let j = 0; j < m; j++) x[k * m + j]! -= factor * x[i * m + j]!;
    }
  }
  return X;
}

/**
 * W that minimises ‖X W − Y‖² + λ·d·‖W‖², from G = XᵀX [n, n] and B = XᵀY [n, m]; d is the mean of G's diagonal.
 *
 * `free`: this many last rows of W (the bias) are not shrunk, but for what rounding needs.
 * Throws   compress/singular when λ is too small for what the samples tell.
 */
export function ridge(G: Matrix, B: Matrix, lambda: number, free = 0): Matrix {
  const n = G.rows;
  const A = matrix(n, n, G.data.slice());
  let mean = 0;
  for (let i = 0; i < n; i++) mean += A.data[i * n + i]! / n;
  for (let i = 0; i < n; i++) A.data[i * n + i]! += mean * (i < n - free ? lambda : Math.min(lambda, 1e-12));
  return solveCholesky(cholesky(A), B);
}
