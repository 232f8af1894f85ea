/** How much the loss would move, to first order, if the channel were zero. Molchanov et al. 2019, arXiv:1906.10771. */

import type { Criterion } from './criterion.ts';

export const taylor: Criterion = {
  name: 'taylor',
  about: '(Σ w·g)²: the first-order change of the loss without the channel',
  needs: ['weight', 'gradient'],
  score: ({ weight, gradient, sum }) => sum((i) => weight[i]! * gradient[i]!).map((x) => x * x),
};
