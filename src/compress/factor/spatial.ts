/**
 * A kh × kw convolution as kh × 1, then 1 × kw.
 *
 *   M[(i, a), (o, c)] = W[o, i, a, c] ≈ Σ_r s_r u_r v_rᵀ      first [r, in, kh, 1] = √s u, second [out, r, 1, kw] = √s v
 *
 * Source   Jaderberg et al. 2014, arXiv:1405.3866 (scheme 2).
 */

import { type Matrix, matrix } from '../../linear/matrix.ts';
import { svd } from '../../linear/svd.ts';
import type { Part } from './layer.ts';
import type { Scheme } from './scheme.ts';

/** M [in · kh, out · kw] of W [out, in, kh, kw]. */
export function spatialUnfolding(W: Float64Array, out: number, inputs: number, kh: number, kw: number): Matrix {
  const M = matrix(inputs * kh, out * kw);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < inputs; i++)
      for (let a = 0; a < kh; a++)
        for (let c = 0; c < kw; c++)
          M.data[(i * kh + a) * M.columns + o * kw + c] = W[((o * inputs + i) * kh + a) * kw + c]!;
  return M;
}

export const spatial: Scheme = {
  name: 'spatial',
  open: ({ W, out, inputs, kernel, strides, pads, dilations, b }) => {
    const [kh = 1, kw = 1] = kernel;
    if (kh < 2 || kw < 2) return 'its kernel has one axis only';
    const M = spatialUnfolding(W, out, inputs, kh, kw);
    const { U, s, V } = svd(M);
    const full = s.length;
    const parts = (r: number): [Part, Part] => [
      {
        dims: [r, inputs, kh, 1],
        strides: [strides[0]!, 1],
        pads: [pads[0]!, 0, pads[2]!, 0],
        dilations: [dilations[0]!, 1],
      },
      {
        dims: [out, r, 1, kw],
        strides: [1, strides[1]!],
        pads: [0, pads[1]!, 0, pads[3]!],
        dilations: [1, dilations[1]!],
      },
    ];
    return {
      spectra: [{ energy: s.map((x) => x * x), matrix: [M.rows, M.columns] }],
      parts: ([r = 1]) => parts(r),
      cut: ([r = 1]) => {
        const first = new Float64Array(r * inputs * kh);
        const second = new Float64Array(out * r * kw);
        for (let k = 0; k < r; k++) {
          const root = Math.sqrt(s[k]!);
          for (let p = 0; p < inputs * kh; p++) first[k * inputs * kh + p] = root * U.data[p * full + k]!;
          for (let o = 0; o < out; o++)
            for (let c = 0; c < kw; c++) second[(o * r + k) * kw + c] = root * V.data[(o * kw + c) * full + k]!;
        }
        const [one, two] = parts(r);
        return {
          factors: [
            { ...one, W: first },
            { ...two, W: second },
          ],
          bias: b,
        };
      },
    };
  },
};
