/**
 * A fitted k×k layer as one k×k filter per channel and a 1×1 layer: the best filter of each channel first, then the
 * mixing matrix fitted again to the samples.
 *
 *   W[(k, i), o] ≈ D[i, k] · P[i, o];   z_i = Σ_k D[i, k] x_(k, i);   P = (Cov(z) + λ d)⁻¹ Cov(z, y)
 */

import { ridge } from '../../linear/cholesky.ts';
import { type Matrix, matrix } from '../../linear/matrix.ts';
import { svd } from '../../linear/svd.ts';
import type { Single } from './shape.ts';

export interface Separated {
  /** [channels, kernel²]. */
  readonly deep: Matrix;
  /** [channels, out]. */
  readonly point: Matrix;
  /** Their product as a layer of the same width as W. */
  readonly whole: Matrix;
}

export function separate(W: Matrix, { input }: Single, [G, B]: readonly [Matrix, Matrix], lambda: number): Separated {
  const channels = input[0]!;
  const reach = W.rows / channels;
  const out = W.columns;
  const deep = matrix(channels, reach);
  for (let i = 0; i < channels; i++) {
    const slice = matrix(reach, out);
    for (let k = 0; k < reach; k++)
      slice.data.set(W.data.subarray((k * channels + i) * out, (k * channels + i + 1) * out), k * out);
    const { U } = svd(slice);
    for (let k = 0; k < reach; k++) deep.data[i * reach + k] = U.data[k * U.columns]!;
  }
  const Gz = matrix(channels, channels);
  const Bz = matrix(channels, out);
  for (let i = 0; i < channels; i++) {
    for (let k = 0; k < reach; k++) {
      const d = deep.data[i * reach + k]!;
      const row = k * channels + i;
      for (let o = 0; o < out; o++) Bz.data[i * out + o]! += d * B.data[row * out + o]!;
      for (let j = 0; j < channels; j++) {
        let sum = 0;
        for (let l = 0; l < reach; l++) sum += deep.data[j * reach + l]! * G.data[row * W.rows + l * channels + j]!;
        Gz.data[i * channels + j]! += d * sum;
      }
    }
  }
  const point = ridge(Gz, Bz, lambda);
  const whole = matrix(W.rows, out);
  for (let k = 0; k < reach; k++)
    for (let i = 0; i < channels; i++)
      for (let o = 0; o < out; o++)
        whole.data[(k * channels + i) * out + o] = deep.data[i * reach + k]! * point.data[i * out + o]!;
  return { deep, point, whole };
}
