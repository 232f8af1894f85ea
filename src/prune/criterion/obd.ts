/**
 * How much the loss would grow, to second order: Σ w² · E[g²], the diagonal Fisher in place of the Hessian.
 *
 * Source   LeCun et al. 1989, "Optimal Brain Damage"; g² is taken per sample, then averaged.
 */

import type { Criterion } from './criterion.ts';

export const obd: Criterion = {
  name: 'obd',
  about: 'Σ w²·E[g²] over single samples: the second-order change of the loss',
  needs: ['weight', 'square'],
  isChangeOfLoss: true,
  score: ({ weight, square, sum }) => sum((i) => weight[i]! ** 2 * square[i]!),
};
