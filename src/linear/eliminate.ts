/**
 * Columns of a least-squares problem taken out one block after the other, the rest fitted anew each time.
 *
 *   error of W + Δ = Σ_o c_o Δ_o G Δ_oᵀ;  H = (G + λ I)⁻¹
 *   without the block S:   error grows by Σ_o c_o W_oS (H_SS)⁻¹ W_oSᵀ
 *                          W ← W − W_S (H_SS)⁻¹ H_S,    H ← H − H_·S (H_SS)⁻¹ H_S·
 *
 * Source   Hassibi and Stork 1992, "Optimal Brain Surgeon"; blocks: Kurtic et al. 2023, "ZipLM", arXiv:2302.04089.
 */

import { cholesky, solveCholesky } from './cholesky.ts';
import { type Matrix, matrix } from './matrix.ts';

export interface Problem {
  /** G [n, n]. */
  readonly gram: Float64Array;
  /** Wᵀ [n, m]: a row for each column of G. Not changed. */
  readonly weights: Float64Array;
  /** c [m]. */
  readonly importance: ArrayLike<number>;
  /** The columns of each block; all blocks of a problem are equally long. */
  readonly blocks: readonly ArrayLike<number>[];
}

/** Share of G's mean diagonal that is added to it. */
const DAMPING = 0.01;

export interface Elimination {
  /** What taking the block out now would add to the error. */
  readonly cost: (block: number) => number;
  /** Takes the block out for good. */
  readonly remove: (block: number) => void;
}

/** Prepares a problem: O(n³) once, then O(n² · block) for each block that goes. */
export function elimination({ gram, weights, importance, blocks }: Problem): Elimination {
  const n = Math.sqrt(gram.length);
  const m = weights.length / n;
  const H = inverse(n, gram);
  const W = weights.slice();
  /** W_S and (H_SS)⁻¹ W_S, row by row. */
  const solved = (block: number): { own: Matrix; fitted: Matrix; L: Matrix } => {
    const S = blocks[block]!;
    const own = matrix(S.length, m);
    const HSS = matrix(S.length, S.length);
    for (let a = 0; a < S.length; a++) {
      own.data.set(W.subarray(S[a]! * m, (S[a]! + 1) * m), a * m);
      for (let b = 0; b < S.length; b++) HSS.data[a * S.length + b] = H[S[a]! * n + S[b]!]!;
    }
    const L = cholesky(HSS);
    return { own, L, fitted: solveCholesky(L, own) };
  };
  return {
    cost(block) {
      const { own, fitted } = solved(block);
      let sum = 0;
      for (let i = 0; i < own.data.length; i++) sum += importance[i % m]! * own.data[i]! * fitted.data[i]!;
      return sum;
    },
    remove(block) {
      const S = blocks[block]!;
      const { fitted, L } = solved(block);
      const rows = matrix(S.length, n);
      for (let a = 0; a < S.length; a++) rows.data.set(H.subarray(S[a]! * n, (S[a]! + 1) * n), a * n);
      const turned = solveCholesky(L, rows);
      for (let a = 0; a < S.length; a++) {
        const [row, w, h] = [a * n, a * m, turned.data];
        for (let i = 0; i < n; i++) {
          const factor = rows.data[row + i]!;
          if (factor === 0) continue;
          for (let o = 0; o < m; o++) W[i * m + o]! -= factor * fitted.data[w + o]!;
          for (let j = 0; j < n; j++) H[i * n + j]! -= factor * h[row + j]!;
        }
      }
      // Exactly zero, and solvable, from here on.
      for (let a = 0; a < S.length; a++) {
        const at = S[a]!;
        W.fill(0, at * m, (at + 1) * m);
        for (let j = 0; j < n; j++) H[at * n + j] = H[j * n + at] = 0;
        H[at * n + at] = 1;
      }
    },
  };
}

function inverse(n: number, gram: Float64Array): Float64Array {
  const A = matrix(n, n, gram.slice());
  let mean = 0;
  for (let i = 0; i < n; i++) mean += A.data[i * n + i]! / n;
  const I = matrix(n, n);
  for (let i = 0; i < n; i++) {
    A.data[i * n + i]! += DAMPING * mean + Number.MIN_VALUE;
    I.data[i * n + i] = 1;
  }
  if (mean === 0) return I.data;
  return solveCholesky(cholesky(A), I).data;
}
