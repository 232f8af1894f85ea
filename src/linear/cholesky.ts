/**
 * Ridge least squares through the Cholesky factor of the normal matrix.
 *
 *   (G + λ D) W = B,   G = XᵀX, B = XᵀY, D = mean diagonal of G (0 for rows that are not shrunk)
 *   G + λ D = L Lᵀ,    L z = b, Lᵀ w = z
 */

import { PareError } from '../base/error.ts';
import { type Matrix, matrix } from './matrix.ts';

/**
 * The lower triangle L with L·Lᵀ = A, for a symmetric positive definite A [n, n].
 *
 * Throws   linear/singular when A is not positive definite.
 */
export function cholesky({ rows: n, data }: Matrix): Matrix {
  const L = matrix(n, n, data.slice());
  const a = L.data;
  // Row by row, four rows at a time: each finished row is then read from memory once for all four.
  for (let top = 0; top < n; top += ROWS) {
    const rows = Math.min(ROWS, n - top);
    if (rows === ROWS) {
      for (let j = 0; j < top; j++) reduceFour(a, n, top, j);
    } else for (let i = top; i < n; i++) for (let j = 0; j < top; j++) reduceOne(a, n, i, j);
    for (let i = top; i < top + rows; i++) {
      for (let j = top; j < i; j++) reduceOne(a, n, i, j);
      const at = i * n;
      let sum = a[at + i]!;
      for (let k = 0; k < i; k++) sum -= a[at + k]! * a[at + k]!;
      if (!(sum > 0)) {
        throw new PareError('linear/singular', 'The samples do not determine the layer.', {
          expected: 'more samples, or a larger ridge',
        });
      }
      a[at + i] = Math.sqrt(sum);
      a.fill(0, at + i + 1, at + n);
    }
  }
  return L;
}

const ROWS = 4;

/** L[i, j] = (A[i, j] − Σ_{k < j} L[i, k] L[j, k]) / L[j, j]. */
function reduceOne(a: Float64Array, n: number, i: number, j: number): void {
  const [at, from] = [i * n, j * n];
  let sum = a[at + j]!;
  for (let k = 0; k < j; k++) sum -= a[at + k]! * a[from + k]!;
  a[at + j] = sum / a[from + j]!;
}

/** The same for rows i … i + 3. */
function reduceFour(a: Float64Array, n: number, i: number, j: number): void {
  const from = j * n;
  const [p, q, r, t] = [i * n, (i + 1) * n, (i + 2) * n, (i + 3) * n];
  let [s0, s1, s2, s3] = [a[p + j]!, a[q + j]!, a[r + j]!, a[t + j]!];
  for (let k = 0; k < j; k++) {
    const x = a[from + k]!;
    s0 -= a[p + k]! * x;
    s1 -= a[q + k]! * x;
    s2 -= a[r + k]! * x;
    s3 -= a[t + k]! * x;
  }
  const d = a[from + j]!;
  a[p + j] = s0 / d;
  a[q + j] = s1 / d;
  a[r + j] = s2 / d;
  a[t + j] = s3 / d;
}

/** X with L·Lᵀ·X = B, for B [n, m]. */
export function solveCholesky(L: Matrix, B: Matrix): Matrix {
  const { rows: n, data: l } = L;
  const X = matrix(n, B.columns);
  // A few columns at a time: they then stay near the processor while L passes by twice.
  for (let first = 0; first < B.columns; first += COLUMNS) {
    const m = Math.min(COLUMNS, B.columns - first);
    const x = new Float64Array(n * m);
    for (let i = 0; i < n; i++) x.set(B.data.subarray(i * B.columns + first, i * B.columns + first + m), i * m);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) subtract(x, i * m, k * m, l[i * n + k]!, m);
      for (let j = 0; j < m; j++) x[i * m + j]! /= l[i * n + i]!;
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let j = 0; j < m; j++) x[i * m + j]! /= l[i * n + i]!;
      for (let k = 0; k < i; k++) subtract(x, k * m, i * m, l[i * n + k]!, m);
    }
    for (let i = 0; i < n; i++) X.data.set(x.subarray(i * m, (i + 1) * m), i * B.columns + first);
  }
  return X;
}

const COLUMNS = 16;

function subtract(x: Float64Array, to: number, from: number, factor: number, count: number): void {
  if (factor !== 0) for (let j = 0; j < count; j++) x[to + j]! -= factor * x[from + j]!;
}

/** What sums in float32 tell of a moment E[x²], as a share of it: a spread below that is rounding. */
export const TOLD_BY_FLOAT32 = 2 ** -21;

/**
 * W that minimises ‖X W − Y‖² + λ·d·‖W‖², from G = XᵀX [n, n] and B = XᵀY [n, m]; d is the mean of G's diagonal.
 *
 * `free`: this many last rows of W (the bias) are not shrunk, but for what rounding needs.
 * Throws   linear/singular when λ is too small for what the samples tell.
 */
export function ridge(G: Matrix, B: Matrix, lambda: number, free = 0): Matrix {
  const n = G.rows;
  const A = matrix(n, n, G.data.slice());
  let mean = 0;
  for (let i = 0; i < n; i++) mean += A.data[i * n + i]! / n;
  // Where nothing was seen, nothing is asked for: any unit will do.
  const unit = mean === 0 ? 1 : mean;
  for (let i = 0; i < n; i++) A.data[i * n + i]! += unit * (i < n - free ? lambda : Math.min(lambda, 1e-12));
  return solveCholesky(cholesky(A), B);
}
