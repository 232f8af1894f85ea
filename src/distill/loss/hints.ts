/** The student's inner values, through a learnt adapter, become the teacher's. */

import type { Loss } from '../../train/loss/loss.ts';
import { mean, overPairs, type Pair } from './feature.ts';

/**
 * mean((r(F_s) − F_t)²), r a learnt 1×1 convolution (or dense layer) that `withAdapters` puts behind the student's value.
 *
 * Shapes   F_s [N, C, H, W], F_t [N, C', H, W]; or vectors and tokens of any two widths.
 * Source   Romero et al. 2015, arXiv:1412.6550.
 */
export const hints = (pairs: readonly Pair[]): Loss =>
  overPairs(
    pairs,
    (g, student, teacher) => {
      const difference = g.Sub(student, teacher);
      return mean(g, g.Mul(difference, difference));
    },
    true,
  );
