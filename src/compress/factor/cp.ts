/**
 * A kh × kw convolution as a sum of R rank-one kernels: 1×1, kh × 1 and 1 × kw of single channels, 1×1.
 *
 *   W[o, i, a, c] ≈ Σ_{r ≤ R} A[o, r] · B[i, r] · C[a, r] · D[c, r]
 *
 * Channels are first projected on the R leading directions of their unfoldings; alternating least squares then fit the
 * small core. There is no spectrum of ranks: the spectrum given is that of the best kh × 1, 1 × kw chain, which no sum
 * of rank-one kernels can beat, so the error told is the one that was reached.
 *
 * Source   Lebedev et al. 2015, arXiv:1412.6553; Bro and Andersson 1998, Chemom. Intell. Lab. Syst. 42, 105 (projection).
 */

import { random } from '../../base/random.ts';
import { ridge } from '../../linear/cholesky.ts';
import { eigen } from '../../linear/eigen.ts';
import { energyOf, firstColumns, gram, type Matrix, matrix, product, transpose } from '../../linear/matrix.ts';
import type { Part } from './layer.ts';
import type { Scheme } from './scheme.ts';
import { spatialUnfolding } from './spatial.ts';

const SWEEPS = 60;
/** A sweep that takes less than this share off the error is the last. */
const SETTLED = 1e-4;
/** Share of the mean diagonal: keeps terms that nearly cancel from growing without end. */
const RIDGE = 1e-6;

export const cp: Scheme = {
  name: 'cp',
  isBound: true,
  open: ({ W, out, inputs, kernel, strides, pads, dilations, b }) => {
    const [kh = 1, kw = 1] = kernel;
    const reach = kh * kw;
    if (reach === 1) return 'its kernel is 1×1';
    if (out < 2 || inputs < 2) return 'it has a single channel';
    const M = spatialUnfolding(W, out, inputs, kh, kw);
    const parts = (R: number): [Part, Part, Part, Part] => [
      { dims: [R, inputs, 1, 1] },
      {
        dims: [R, 1, kh, 1],
        group: R,
        strides: [strides[0]!, 1],
        pads: [pads[0]!, 0, pads[2]!, 0],
        dilations: [dilations[0]!, 1],
      },
      {
        dims: [R, 1, 1, kw],
        group: R,
        strides: [1, strides[1]!],
        pads: [0, pads[1]!, 0, pads[3]!],
        dilations: [1, dilations[1]!],
      },
      { dims: [out, R, 1, 1] },
    ];
    const smaller = M.rows <= M.columns ? M : transpose(M);
    return {
      spectra: [{ energy: eigen(gram(smaller)).values.map((x) => Math.max(0, x)), matrix: [M.rows, M.columns] }],
      parts: ([R = 1]) => parts(R),
      cut: ([R = 1]) => {
        const { A, B, C, D, error } = rankOnes(matrix(out, inputs * reach, W), inputs, kh, kw, R);
        const [one, two, three, four] = parts(R);
        return {
          factors: [
            { ...one, W: transpose(B).data },
            { ...two, W: transpose(C).data },
            { ...three, W: transpose(D).data },
            { ...four, W: A.data },
          ],
          bias: b,
          error,
        };
      },
    };
  },
};

interface RankOnes {
  /** [out, R], [in, R], [kh, R] and [kw, R]. */
  readonly A: Matrix;
  readonly B: Matrix;
  readonly C: Matrix;
  readonly D: Matrix;
  /** √(Σ difference² / Σ W²). */
  readonly error: number;
}

/** [first, second, k] with its first two axes exchanged. */
function exchanged({ rows, columns, data }: Matrix, second: number): Matrix {
  const reach = columns / second;
  const T = matrix(second, rows * reach);
  for (let o = 0; o < rows; o++)
    for (let i = 0; i < second; i++)
      T.data.set(data.subarray((o * second + i) * reach, (o * second + i + 1) * reach), (i * rows + o) * reach);
  return T;
}

/** R rank-one terms near to W [out, in · kh · kw]. */
export function rankOnes(W: Matrix, inputs: number, kh: number, kw: number, R: number): RankOnes {
  const out = W.rows;
  const byIn = exchanged(W, inputs);
  const U = firstColumns(eigen(gram(W)).vectors, Math.min(out, R)); // [out, p]
  const V = firstColumns(eigen(gram(byIn)).vectors, Math.min(inputs, R)); // [in, q]
  const [p, q] = [U.columns, V.columns];
  const half = exchanged(product(transpose(U), W), inputs); // [in, p · reach]
  const byQ = product(transpose(V), half); // [q, p · reach]
  const core = exchanged(byQ, p); // [p, q · reach]

  const source = random(0, 'cp');
  const drawn = (rows: number): Matrix =>
    matrix(
      rows,
      R,
      Float64Array.from({ length: rows * R }, () => source.normal()),
    );
  let [A, B, C, D] = [drawn(p), drawn(q), unitColumns(drawn(kh)), unitColumns(drawn(kw))];
  B = unitColumns(B);
  const whole = energyOf(core);
  let last = Number.MAX_VALUE;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    A = solved(product(core, khatriRao(B, khatriRao(C, D))), B, C, D);
    const along = product(transpose(A), core); // [R, q · kh · kw]
    B = unitColumns(solved(contracted(along, q, kh, kw, 'in', B, C, D), A, C, D));
    C = unitColumns(solved(contracted(along, q, kh, kw, 'row', B, C, D), A, B, D));
    D = unitColumns(solved(contracted(along, q, kh, kw, 'column', B, C, D), A, B, C));
    // With unit columns elsewhere, A carries the size; its own step comes last, so that the error below is exact.
    const M = product(core, khatriRao(B, khatriRao(C, D)));
    A = solved(M, B, C, D);
    const G = hadamardGram(A, B, C, D);
    const model = G.data.reduce((sum, x) => sum + x, 0);
    const inner = M.data.reduce((sum, x, k) => sum + x * A.data[k]!, 0);
    const error = Math.max(0, whole - 2 * inner + model);
    const isSettled = last - error <= SETTLED * last;
    last = error;
    if (isSettled) break;
  }
  const total = energyOf(W);
  const [Ao, Bi] = [product(U, A), product(V, B)];
  const inside = Math.max(0, Math.min(last, whole));
  return {
    A: Ao,
    B: Bi,
    C,
    D,
    error: Math.sqrt(Math.max(0, total - whole + inside) / Math.max(total, Number.MIN_VALUE)),
  };
}

/** Rows (i, j) of products of row i of X and row j of Y, column by column. */
function khatriRao(X: Matrix, Y: Matrix): Matrix {
  const R = X.columns;
  const K = matrix(X.rows * Y.rows, R);
  let at = 0;
  for (let i = 0; i < X.rows; i++)
    for (let j = 0; j < Y.rows; j++) for (let r = 0; r < R; r++) K.data[at++] = X.data[i * R + r]! * Y.data[j * R + r]!;
  return K;
}

/** Products, entry by entry, of XᵀX over the factors [R, R]. */
function hadamardGram(...factors: readonly Matrix[]): Matrix {
  const [first, ...rest] = factors.map((X) => gram(transpose(X)));
  for (const G of rest) for (let k = 0; k < G.data.length; k++) first!.data[k]! *= G.data[k]!;
  return first!;
}

/** M · (∘ XᵀX)⁻¹: the factor that fits best beside the others. */
const solved = (M: Matrix, ...others: readonly Matrix[]): Matrix =>
  transpose(ridge(hadamardGram(...others), transpose(M), RIDGE));

/** Sums of `along` [R, q · kh · kw] against all factors but one: that one's rows [., R]. */
function contracted(
  along: Matrix,
  q: number,
  kh: number,
  kw: number,
  free: 'in' | 'row' | 'column',
  B: Matrix,
  C: Matrix,
  D: Matrix,
): Matrix {
  const R = along.rows;
  const rows = { in: q, row: kh, column: kw }[free];
  const M = matrix(rows, R);
  for (let r = 0; r < R; r++) {
    let at = r * along.columns;
    for (let i = 0; i < q; i++) {
      const b = free === 'in' ? 1 : B.data[i * R + r]!;
      for (let a = 0; a < kh; a++) {
        const bc = free === 'row' ? b : b * C.data[a * R + r]!;
        for (let c = 0; c < kw; c++) {
          const bcd = free === 'column' ? bc : bc * D.data[c * R + r]!;
          const row = free === 'in' ? i : free === 'row' ? a : c;
          M.data[row * R + r]! += bcd * along.data[at++]!;
        }
      }
    }
  }
  return M;
}

/** Columns at length 1; zero columns stay. */
function unitColumns({ rows, columns, data }: Matrix): Matrix {
  const unit = matrix(rows, columns, data.slice());
  for (let r = 0; r < columns; r++) {
    let size = 0;
    for (let i = 0; i < rows; i++) size += data[i * columns + r]! ** 2;
    if (size > 0) for (let i = 0; i < rows; i++) unit.data[i * columns + r]! /= Math.sqrt(size);
  }
  return unit;
}
