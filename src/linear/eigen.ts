/**
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder to a tridiagonal matrix, then implicit QL.
 *
 *   A = V · diag(d) · Vᵀ,   d descending, V orthogonal (columns)
 *
 * Source   Martin, Reinsch and Wilkinson 1968, Numer. Math. 11, 181 (tred2); Dubrulle, Martin and Wilkinson 1968,
 *          Numer. Math. 12, 377 (imtql2), as in EISPACK.
 */

import { internal } from '../base/error.ts';
import { type Matrix, matrix } from './matrix.ts';

export interface Eigen {
  /** Descending. */
  readonly values: Float64Array;
  /** Column j belongs to values[j]. */
  readonly vectors: Matrix;
}

const MAX_TURNS = 60;

/** Eigenvalues, largest first, and eigenvectors of a symmetric A [n, n]. Time grows with n³; fine up to about 1500. */
export function eigen(A: Matrix): Eigen {
  const n = A.rows;
  if (n === 0) return { values: new Float64Array(0), vectors: matrix(0, 0) };
  // Rows of V hold what the textbook keeps in columns: the inner loops then walk through memory in order.
  const V = Array.from({ length: n }, (_, i) => A.data.slice(i * n, (i + 1) * n));
  const d = new Float64Array(n);
  const e = new Float64Array(n);
  tridiagonal(V, d, e);
  implicitQl(V, d, e);
  const order = Array.from({ length: n }, (_, i) => i).sort((p, q) => d[q]! - d[p]!);
  const vectors = matrix(n, n);
  order.forEach((from, to) => {
    const row = V[from]!;
    for (let i = 0; i < n; i++) vectors.data[i * n + to] = row[i]!;
  });
  return { values: Float64Array.from(order, (i) => d[i]!), vectors };
}

/** A (symmetric, as rows) becomes Qᵀ (as rows); d and e get the diagonal and the sub-diagonal of Qᵀ A Q. */
function tridiagonal(V: Float64Array[], d: Float64Array, e: Float64Array): void {
  const n = d.length;
  for (let j = 0; j < n; j++) d[j] = V[j]![n - 1]!;
  for (let i = n - 1; i > 0; i--) {
    let scale = 0;
    let h = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(d[k]!);
    if (scale === 0) {
      e[i] = d[i - 1]!;
      for (let j = 0; j < i; j++) {
        d[j] = V[j]![i - 1]!;
        V[j]![i] = 0;
        V[i]![j] = 0;
      }
    } else {
      for (let k = 0; k < i; k++) {
        d[k]! /= scale;
        h += d[k]! * d[k]!;
      }
      let f = d[i - 1]!;
      let g = f > 0 ? -Math.sqrt(h) : Math.sqrt(h);
      e[i] = scale * g;
      h -= f * g;
      d[i - 1] = f - g;
      e.fill(0, 0, i);
      for (let j = 0; j < i; j++) {
        const column = V[j]!;
        f = d[j]!;
        V[i]![j] = f;
        g = e[j]! + column[j]! * f;
        for (let k = j + 1; k < i; k++) {
          g += column[k]! * d[k]!;
          e[k]! += column[k]! * f;
        }
        e[j] = g;
      }
      f = 0;
      for (let j = 0; j < i; j++) {
        e[j]! /= h;
        f += e[j]! * d[j]!;
      }
      const hh = f / (h + h);
      for (let j = 0; j < i; j++) e[j]! -= hh * d[j]!;
      for (let j = 0; j < i; j++) {
        const column = V[j]!;
        f = d[j]!;
        g = e[j]!;
        for (let k = j; k < i; k++) column[k]! -= f * e[k]! + g * d[k]!;
        d[j] = column[i - 1]!;
        column[i] = 0;
      }
    }
    d[i] = h;
  }
  for (let i = 0; i < n - 1; i++) {
    V[i]![n - 1] = V[i]![i]!;
    V[i]![i] = 1;
    const h = d[i + 1]!;
    const next = V[i + 1]!;
    if (h !== 0) {
      for (let k = 0; k <= i; k++) d[k] = next[k]! / h;
      for (let j = 0; j <= i; j++) {
        const column = V[j]!;
        let g = 0;
        for (let k = 0; k <= i; k++) g += next[k]! * column[k]!;
        for (let k = 0; k <= i; k++) column[k]! -= g * d[k]!;
      }
    }
    next.fill(0, 0, i + 1);
  }
  for (let j = 0; j < n; j++) {
    d[j] = V[j]![n - 1]!;
    V[j]![n - 1] = 0;
  }
  V[n - 1]![n - 1] = 1;
  e[0] = 0;
}

/** Turns the tridiagonal (d, e) diagonal; the rows of V turn with it. */
function implicitQl(V: Float64Array[], d: Float64Array, e: Float64Array): void {
  const n = d.length;
  e.copyWithin(0, 1);
  e[n - 1] = 0;
  let f = 0;
  let largest = 0;
  for (let l = 0; l < n; l++) {
    largest = Math.max(largest, Math.abs(d[l]!) + Math.abs(e[l]!));
    let m = l;
    while (m < n - 1 && Math.abs(e[m]!) > Number.EPSILON * largest) m++;
    for (let turn = 0; m > l && Math.abs(e[l]!) > Number.EPSILON * largest; turn++) {
      if (turn > MAX_TURNS) throw internal('the eigenvalues do not converge');
      let g = d[l]!;
      let p = (d[l + 1]! - g) / (2 * e[l]!);
      let r = p < 0 ? -Math.hypot(p, 1) : Math.hypot(p, 1);
      d[l] = e[l]! / (p + r);
      d[l + 1] = e[l]! * (p + r);
      const above = d[l + 1]!;
      let h = g - d[l]!;
      for (let i = l + 2; i < n; i++) d[i]! -= h;
      f += h;
      p = d[m]!;
      let [c, c2, c3, s, s2] = [1, 1, 1, 0, 0];
      const side = e[l + 1]!;
      for (let i = m - 1; i >= l; i--) {
        c3 = c2;
        c2 = c;
        s2 = s;
        g = c * e[i]!;
        h = c * p;
        r = Math.hypot(p, e[i]!);
        e[i + 1] = s * r;
        s = e[i]! / r;
        c = p / r;
        p = c * d[i]! - s * g;
        d[i + 1] = h + s * (c * g + s * d[i]!);
        const [a, b] = [V[i]!, V[i + 1]!];
        for (let k = 0; k < n; k++) {
          const t = b[k]!;
          b[k] = s * a[k]! + c * t;
          a[k] = c * a[k]! - s * t;
        }
      }
      p = (-s * s2 * c3 * side * e[l]!) / above;
      e[l] = s * p;
      d[l] = c * p;
    }
    d[l]! += f;
    e[l] = 0;
  }
}
