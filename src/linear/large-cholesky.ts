/**
 * The Cholesky factor of a large matrix, panel by panel: nearly all of it is products, which somebody else may do.
 *
 *   A[p…, p] − L[p…, …p) L[p, …p)ᵀ = L[p…, p] L[p, p]ᵀ        p: the columns of one panel
 */

import { cholesky as factor } from './cholesky.ts';
import { type Matrix, matrix, type Product } from './matrix.ts';

const PANEL = 96;

/**
 * The lower triangle L with L·Lᵀ = A, for a symmetric positive definite A [n, n]. A is overwritten: L lies in its memory.
 *
 * Cost     n³ / 6 multiply-adds.
 * Throws   linear/singular when A is not positive definite.
 */
export async function cholesky(A: Matrix, product: Product): Promise<Matrix> {
  const { rows: n, data: a } = A;
  for (let p = 0; p < n; p += PANEL) {
    const width = Math.min(PANEL, n - p);
    const panel = block(A, p, n - p, p, width);
    if (p > 0) {
      const left = block(A, p, n - p, 0, p);
      const { data } = await product(left, turned(left, width));
      for (let i = 0; i < data.length; i++) panel.data[i]! -= data[i]!;
    }
    const top = factor(matrix(width, width, panel.data.slice(0, width * width)));
    const below = matrix(n - p - width, width, panel.data.subarray(width * width));
    const rest = below.rows > 0 ? await product(below, inverseTransposed(top)) : below;
    for (let i = 0; i < width; i++) put(a, n, p + i, p, top.data.subarray(i * width, (i + 1) * width));
    for (let i = 0; i < rest.rows; i++) put(a, n, p + width + i, p, rest.data.subarray(i * width, (i + 1) * width));
  }
  return A;
}

/** A row of the factor, and zeros behind it as far as the diagonal's panel goes. */
function put(a: Float64Array, n: number, row: number, column: number, values: Float64Array): void {
  a.set(values, row * n + column);
  if (row < column + values.length) a.fill(0, row * n + column + values.length, (row + 1) * n);
}

/** Rows and columns of a matrix as a matrix of their own. */
function block({ columns: n, data }: Matrix, row: number, rows: number, column: number, columns: number): Matrix {
  const B = matrix(rows, columns);
  for (let i = 0; i < rows; i++) {
    const at = (row + i) * n + column;
    B.data.set(data.subarray(at, at + columns), i * columns);
  }
  return B;
}

/** The first rows, as columns. */
function turned({ columns, data }: Matrix, count: number): Matrix {
  const T = matrix(columns, count);
  for (let i = 0; i < count; i++) for (let j = 0; j < columns; j++) T.data[j * count + i] = data[i * columns + j]!;
  return T;
}

/** L⁻ᵀ, an upper triangle. */
function inverseTransposed({ rows: n, data: l }: Matrix): Matrix {
  const X = matrix(n, n);
  for (let c = 0; c < n; c++) {
    // Column c of L⁻¹ is row c of its transpose.
    for (let i = c; i < n; i++) {
      let sum = i === c ? 1 : 0;
      for (let k = c; k < i; k++) sum -= l[i * n + k]! * X.data[c * n + k]!;
      X.data[c * n + i] = sum / l[i * n + i]!;
    }
  }
  return X;
}
