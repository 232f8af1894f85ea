/**
 * Zeros one column after the other, each error carried into the columns that are still to come.
 *
 *   H = 2 X Xᵀ / n + λ I, λ = 0.01 · mean diagonal;   U: the upper Cholesky factor of H⁻¹
 *   score = w² / U_jj²;   e = (w − q) / U_jj;   W[:, j:] −= e · U[j, j:]
 *
 * Source   Frantar and Alistarh 2023, "SparseGPT", arXiv:2301.00774, algorithm 1; scores are compared in blocks of 128 columns.
 */

import { inverseFactor } from '../../linear/inverse-factor.ts';
import { keepStrongest, type Pattern } from './pattern.ts';

const BLOCK = 128;
const DAMPING = 0.01;

/**
 * Rows W [height, width] with zeros in the pattern, and the weights that stay moved to make up for them. Changes W.
 *
 * Shapes   gram [width, width], the mean of x·xᵀ over what the rows read.
 * Returns  1 where a connection stays.
 */
export function sparsifyRows(W: Float64Array, width: number, gram: Float64Array, pattern: Pattern): Uint8Array {
  const height = W.length / width;
  const { U, dead } = inverseFactor(width, gram, DAMPING);
  for (const j of dead) for (let r = 0; r < height; r++) W[r * width + j] = 0;
  const kept = new Uint8Array(W.length).fill(1);
  // N of M are chosen when their turn comes, by what earlier errors have made of them.
  const block = 'zeros' in pattern ? BLOCK : pattern.of;
  for (let from = 0; from < width; from += block) {
    const columns = Math.min(block, width - from);
    const scores = new Float64Array(height * columns);
    for (let r = 0; r < height; r++)
      for (let c = 0; c < columns; c++)
        scores[r * columns + c] = (W[r * width + from + c]! / U[(from + c) * width + from + c]!) ** 2;
    const stays = keepStrongest(scores, columns, pattern);
    for (let c = 0; c < columns; c++) {
      const j = from + c;
      const line = U.subarray(j * width, (j + 1) * width);
      for (let r = 0; r < height; r++) {
        if (stays[r * columns + c]) continue;
        const row = W.subarray(r * width, (r + 1) * width);
        const error = row[j]! / line[j]!;
        for (let k = j; k < width; k++) row[k]! -= error * line[k]!;
        row[j] = 0;
        kept[r * width + j] = 0;
      }
    }
  }
  return kept;
}
