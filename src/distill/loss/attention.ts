/** The student looks where the teacher looks. */

import type { Loss } from '../../train/loss/loss.ts';
import { flat, mean, overPairs, type Pair, unitRows } from './feature.ts';

/**
 * mean((Q_s / ‖Q_s‖ − Q_t / ‖Q_t‖)²), Q [N, H · W] = mean over channels of F².
 *
 * Shapes   F [N, C, H, W]; the two may differ in C only.
 * Source   Zagoruyko and Komodakis 2017, arXiv:1612.03928, as in mdistiller (p = 2).
 */
export const attention = (pairs: readonly Pair[]): Loss =>
  overPairs(pairs, (g, student, teacher) => {
    const [a, b] = [student, teacher].map((x) => unitRows(g, flat(g, g.ReduceMean(g.Mul(x, x), [1], { keepdims: 0 }))));
    const difference = g.Sub(a!, b!);
    return mean(g, g.Mul(difference, difference));
  });
