/**
 * Singular values: eigenvectors of the smaller Gram matrix to begin with, then one-sided Jacobi until the columns are
 * orthogonal to rounding (the start is nearly right, so a sweep or two are enough, and small values come out exact).
 *
 *   A = U · diag(s) · Vᵀ,   s descending
 *
 * Source   Hestenes 1958, J. SIAM 6, 51; preconditioned as in Drmač and Veselić 2008, SIAM J. Matrix Anal. 29, 1322.
 */

import { eigen } from './eigen.ts';
import { gram, type Matrix, matrix, product, transpose } from './matrix.ts';

export interface Svd {
  /** [m, r], r = min(m, n); columns are orthonormal (zero where s is 0). */
  readonly U: Matrix;
  readonly s: Float64Array;
  /** [n, r]. */
  readonly V: Matrix;
}

const SWEEPS = 12;
const ORTHOGONAL = 1e-14;

/** The thin singular value decomposition of A [m, n]. */
export function svd(A: Matrix): Svd {
  if (A.rows > A.columns) {
    const { U, s, V } = svd(transpose(A));
    return { U: V, s, V: U };
  }
  const m = A.rows;
  const n = A.columns;
  // Rows of B = Qᵀ A are nearly orthogonal; rotations of pairs of rows make them so.
  const Q = transpose(eigen(gram(A)).vectors);
  const B = product(Q, A);
  const rows = Array.from({ length: m }, (_, i) => B.data.subarray(i * n, (i + 1) * n));
  const turned = Array.from({ length: m }, (_, i) => Q.data.subarray(i * m, (i + 1) * m));
  const norm = rows.map((row) => dot(row, row));
  const tiny = Math.max(...norm, 0) * Number.EPSILON ** 2;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let rotations = 0;
    for (let p = 0; p < m - 1; p++) {
      for (let q = p + 1; q < m; q++) {
        if (norm[p]! <= tiny || norm[q]! <= tiny) continue;
        const across = dot(rows[p]!, rows[q]!);
        if (Math.abs(across) <= ORTHOGONAL * Math.sqrt(norm[p]! * norm[q]!)) continue;
        rotations += 1;
        const zeta = (norm[q]! - norm[p]!) / (2 * across);
        const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        rotate(rows[p]!, rows[q]!, c, c * t);
        rotate(turned[p]!, turned[q]!, c, c * t);
        norm[p] = dot(rows[p]!, rows[p]!);
        norm[q] = dot(rows[q]!, rows[q]!);
      }
    }
    if (rotations === 0) break;
  }
  const order = norm.map((_, i) => i).sort((p, q) => norm[q]! - norm[p]!);
  const s = Float64Array.from(order, (i) => (norm[i]! <= tiny ? 0 : Math.sqrt(norm[i]!)));
  const U = matrix(m, m);
  const V = matrix(n, m);
  order.forEach((from, to) => {
    for (let i = 0; i < m; i++) U.data[i * m + to] = turned[from]![i]!;
    if (s[to] !== 0) for (let i = 0; i < n; i++) V.data[i * m + to] = rows[from]![i]! / s[to]!;
  });
  return { U, s, V };
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
}
