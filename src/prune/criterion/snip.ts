/** Sensitivity of the loss to each connection: Σ |w·g|. Lee et al. 2019, "SNIP", arXiv:1810.02340. */

import type { Criterion } from './criterion.ts';

export const snip: Criterion = {
  name: 'snip',
  about: 'Σ |w·g|: how much each connection matters to the loss',
  needs: ['weight', 'gradient'],
  score: ({ weight, gradient, sum }) => sum((i) => Math.abs(weight[i]! * gradient[i]!)),
};
