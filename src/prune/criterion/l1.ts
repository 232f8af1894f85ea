/** Sum of magnitudes. Li et al. 2017, "Pruning Filters for Efficient ConvNets", arXiv:1608.08710. */

import type { Criterion } from './criterion.ts';

export const l1: Criterion = {
  name: 'l1',
  about: 'sum of |w|',
  needs: ['weight'],
  score: ({ weight, sum }) => sum((i) => Math.abs(weight[i]!)),
};
