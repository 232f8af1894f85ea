/**
 * Fewer channels in and out around a k×k core: 1×1, k×k, 1×1.
 *
 *   W[o, i, k] ≈ Σ_{p, q} A[o, p] · G[p, q, k] · B[i, q],   A and B orthonormal, G = W ×_o Aᵀ ×_i Bᵀ
 *
 * A and B begin as the leading left singular vectors of the unfoldings and are refined in turn (HOOI).
 *
 * Source   Kim et al. 2016, arXiv:1511.06530; De Lathauwer et al. 2000, SIAM J. Matrix Anal. 21, 1324.
 */

import { eigen } from '../../linear/eigen.ts';
import { firstColumns, gram, type Matrix, matrix, product, transpose } from '../../linear/matrix.ts';
import type { Part } from './layer.ts';
import type { Scheme } from './scheme.ts';

const SWEEPS = 3;

/** [out, in, k] with its first two axes exchanged. */
function exchanged(W: Float64Array, out: number, inputs: number, reach: number): Float64Array {
  const T = new Float64Array(W.length);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < inputs; i++)
      T.set(W.subarray((o * inputs + i) * reach, (o * inputs + i + 1) * reach), (i * out + o) * reach);
  return T;
}

export const tucker: Scheme = {
  name: 'tucker',
  open: ({ W, out, inputs, kernel, strides, pads, dilations, b }) => {
    const reach = kernel.reduce((n, k) => n * k, 1);
    if (reach === 1) return 'its kernel is 1×1';
    if (out < 2 || inputs < 2) return 'it has a single channel';
    const byOut = matrix(out, inputs * reach, W);
    const byIn = matrix(inputs, out * reach, exchanged(W, out, inputs, reach));
    const [left, right] = [eigen(gram(byOut)), eigen(gram(byIn))];
    const parts = (p: number, q: number): [Part, Part, Part] => [
      { dims: [q, inputs, 1, 1] },
      { dims: [p, q, ...kernel], strides, pads, dilations },
      { dims: [out, p, 1, 1] },
    ];
    /** Wᵀ along one axis: Aᵀ · W, as the matrix of the other unfolding. */
    const narrow = (A: Matrix, unfolded: Matrix, other: number): Matrix => {
      const small = product(transpose(A), unfolded); // [rank, other · reach]
      return matrix(other, A.columns * reach, exchanged(small.data, A.columns, other, reach));
    };
    return {
      spectra: [
        { energy: left.values.map((x) => Math.max(0, x)), matrix: [out, inputs * reach] },
        { energy: right.values.map((x) => Math.max(0, x)), matrix: [inputs, out * reach] },
      ],
      parts: ([p = 1, q = 1]) => parts(p, q),
      cut: ([p = 1, q = 1]) => {
        let A = firstColumns(left.vectors, p);
        let B = firstColumns(right.vectors, q);
        const isFull = p === out && q === inputs;
        for (let sweep = 0; sweep < SWEEPS && !isFull; sweep++) {
          B = firstColumns(eigen(gram(narrow(A, byOut, inputs))).vectors, q);
          A = firstColumns(eigen(gram(narrow(B, byIn, out))).vectors, p);
        }
        const core = product(transpose(A), narrow(B, byIn, out)); // [p, q · reach]
        const [one, two, three] = parts(p, q);
        return {
          factors: [
            { ...one, W: transpose(B).data },
            { ...two, W: core.data },
            { ...three, W: A.data },
          ],
          bias: b,
        };
      },
    };
  },
};
