/**
 * Fewer output channels inside, mixed back by a 1×1 layer: the singular value decomposition of a dense layer, and of a
 * k×k convolution read as an [out, in · k · k] matrix.
 *
 *   W ≈ U_r (U_rᵀ W),   U = left singular vectors of W                              without samples
 *   y ≈ U_r U_rᵀ (y − ȳ) + ȳ,   U = eigenvectors of E[(y − ȳ)(y − ȳ)ᵀ]              with samples
 *
 * The second equals whitening W by the Cholesky factor of the inputs' covariance: W C Wᵀ is the outputs' covariance.
 *
 * Source   Zhang et al. 2016, TPAMI, arXiv:1505.06798 (3.1, linear case).
 */

import { eigen } from '../../linear/eigen.ts';
import { firstColumns, gram, matrix, product, transpose } from '../../linear/matrix.ts';
import type { Scheme } from './scheme.ts';

export const channel: Scheme = {
  name: 'svd',
  open: (layer, moments) => {
    const { W, out, inputs, kernel, b, strides, pads, dilations } = layer;
    const columns = W.length / out;
    if (out < 2 || columns < 2) return 'it has a single channel';
    const rows = matrix(out, columns, W);
    const { values, vectors } = eigen(moments?.covariance ?? gram(rows));
    const energy = values.map((value) => Math.max(0, value)).subarray(0, Math.min(out, columns));
    const point = kernel.map(() => 1);
    return {
      spectra: [{ energy, ...(!moments && { matrix: [out, columns] as const }) }],
      parts: ([r = 1]) => [{ dims: [r, inputs, ...kernel], strides, pads, dilations }, { dims: [out, r, ...point] }],
      cut: ([r = 1]) => {
        const U = firstColumns(vectors, r);
        const first = product(transpose(U), rows);
        // c = ȳ + U Uᵀ (b − ȳ): what the dropped directions give on average stays in the bias.
        const mean = moments?.mean;
        const shifted = matrix(
          out,
          1,
          Float64Array.from({ length: out }, (_, o) => (b?.[o] ?? 0) - (mean?.[o] ?? 0)),
        );
        const back = product(U, product(transpose(U), shifted));
        const bias = mean ? back.data.map((x, o) => x + mean[o]!) : b;
        return {
          factors: [
            { dims: [r, inputs, ...kernel], W: first.data, strides, pads, dilations },
            { dims: [out, r, ...point], W: U.data },
          ],
          bias,
        };
      },
    };
  },
};
