/** Small dense matrices in float64: rows one after the other. */

import { internal } from '../base/error.ts';

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Element (i, j) is data[i · columns + j]. */
  readonly data: Float64Array;
}

/** A · B, by whoever does it fastest. */
export type Product = (A: Matrix, B: Matrix) => Promise<Matrix>;

/** A matrix over these numbers (copied only when they are no Float64Array); zeros when left out. */
export function matrix(rows: number, columns: number, data?: ArrayLike<number>): Matrix {
  const held = data instanceof Float64Array ? data : data ? Float64Array.from(data) : new Float64Array(rows * columns);
  if (held.length !== rows * columns) throw internal(`a ${rows} × ${columns} matrix of ${held.length} numbers`);
  return { rows, columns, data: held };
}

/** Numbers that fit a core's own memory. */
const NEAR = 16384;

/** A [m, k] · B [k, n] -> [m, n]. */
export function product(A: Matrix, B: Matrix): Matrix {
  if (A.columns !== B.rows) throw internal(`product of ${A.rows} × ${A.columns} and ${B.rows} × ${B.columns}`);
  const C = matrix(A.rows, B.columns);
  const n = B.columns;
  // Stretches of rows of B that stay near the processor while all rows of A pass by.
  const stretch = Math.max(8, Math.floor(NEAR / Math.max(1, n)));
  for (let begin = 0; begin < A.columns; begin += stretch) {
    const end = Math.min(A.columns, begin + stretch);
    for (let i = 0; i < A.rows; i++) {
      const row = C.data.subarray(i * n, (i + 1) * n);
      for (let k = begin; k < end; k++) {
        const a = A.data[i * A.columns + k]!;
        if (a === 0) continue;
        const from = k * n;
        for (let j = 0; j < n; j++) row[j]! += a * B.data[from + j]!;
      }
    }
  }
  return C;
}

/** A with its axes exchanged. */
export function transpose({ rows, columns, data }: Matrix): Matrix {
  const T = matrix(columns, rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) T.data[j * rows + i] = data[i * columns + j]!;
  return T;
}

/** A·Aᵀ [m, m], for A [m, n]. */
export function gram({ rows, columns, data }: Matrix): Matrix {
  const G = matrix(rows, rows);
  for (let i = 0; i < rows; i++) {
    const a = data.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j <= i; j++) {
      const at = j * columns;
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += a[k]! * data[at + k]!;
      G.data[i * rows + j] = sum;
      G.data[j * rows + i] = sum;
    }
  }
  return G;
}

/** The first `count` columns. */
export function firstColumns({ rows, columns, data }: Matrix, count: number): Matrix {
  const F = matrix(rows, count);
  for (let i = 0; i < rows; i++) F.data.set(data.subarray(i * columns, i * columns + count), i * count);
  return F;
}

/** Σ of squares. */
export const energyOf = ({ data }: Matrix): number => data.reduce((sum, x) => sum + x * x, 0);
