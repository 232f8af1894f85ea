/** Samples that are alike to the teacher are alike to the student. */

import type { Loss } from '../../train/loss/loss.ts';
import { flat, mean, overPairs, type Pair, timesTurned, unitRows } from './feature.ts';

/**
 * ‖G_s − G_t‖² / N², G [N, N] = F Fᵀ with rows of length 1.
 *
 * Shapes   F [N, ...], flattened; the two may differ in all but N.
 * Source   Tung and Mori 2019, arXiv:1907.09682.
 */
export const similarity = (pairs: readonly Pair[]): Loss =>
  overPairs(pairs, (g, student, teacher) => {
    const [a, b] = [student, teacher].map((x) => {
      const rows = flat(g, x);
      return unitRows(g, timesTurned(g, rows, rows));
    });
    const difference = g.Sub(a!, b!);
    return mean(g, g.Mul(difference, difference));
  });
