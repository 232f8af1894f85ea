/**
 * How much the loss would move, to first order, if the channel were zero.
 *
 *   score(u) = mean over batches of (Σ w·g)²
 *
 * Source   Molchanov et al. 2019, arXiv:1906.10771.
 */

import type { Criterion } from './criterion.ts';

export const taylor: Criterion = {
  name: 'taylor',
  about: 'mean over batches of (Σ w·g)²: the first-order change of the loss without the channel',
  needs: ['change'],
  isChangeOfLoss: true,
  score: ({ change }) => Float64Array.from(change),
};
