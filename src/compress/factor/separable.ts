/**
 * A k×k convolution as k×k filters of single channels (m for each), mixed by a 1×1 layer.
 *
 *   W[o, i, k] ≈ Σ_{j ≤ m} P[o, i, j] · D[i, j, k]       for each i the singular value decomposition of W[:, i, :]
 *
 * Source   Guo et al. 2018, "Network decoupling", arXiv:1808.05517.
 */

import { matrix, product, transpose } from '../../linear/matrix.ts';
import { svd } from '../../linear/svd.ts';
import type { Part } from './layer.ts';
import type { Scheme } from './scheme.ts';

export const separable: Scheme = {
  name: 'separable',
  open: ({ W, out, inputs, kernel, strides, pads, dilations, b }) => {
    const reach = kernel.reduce((n, k) => n * k, 1);
    if (reach === 1) return 'its kernel is 1×1';
    const full = Math.min(out, reach);
    const energy = new Float64Array(full);
    const slices = Array.from({ length: inputs }, (_, i) => {
      const slice = matrix(out, reach);
      for (let o = 0; o < out; o++)
        slice.data.set(W.subarray((o * inputs + i) * reach, (o * inputs + i + 1) * reach), o * reach);
      const { V, s } = svd(slice);
      for (let j = 0; j < full; j++) energy[j]! += s[j]! * s[j]!;
      return { slice, V };
    });
    const parts = (m: number): [Part, Part] => [
      { dims: [inputs * m, 1, ...kernel], group: inputs, strides, pads, dilations },
      { dims: [out, inputs * m, 1, 1] },
    ];
    return {
      spectra: [{ energy }],
      parts: ([m = 1]) => parts(m),
      cut: ([m = 1]) => {
        const deep = new Float64Array(inputs * m * reach);
        const point = new Float64Array(out * inputs * m);
        slices.forEach(({ slice, V }, i) => {
          const filters = transpose(V); // [full, reach]
          deep.set(filters.data.subarray(0, m * reach), i * m * reach);
          const mix = product(slice, V); // [out, full]
          for (let o = 0; o < out; o++)
            for (let j = 0; j < m; j++) point[o * inputs * m + i * m + j] = mix.data[o * full + j]!;
        });
        const [one, two] = parts(m);
        return {
          factors: [
            { ...one, W: deep },
            { ...two, W: point },
          ],
          bias: b,
        };
      },
    };
  },
};
