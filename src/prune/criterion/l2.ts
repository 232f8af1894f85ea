/** Euclidean norm of the weights. */

import type { Criterion } from './criterion.ts';

export const l2: Criterion = {
  name: 'l2',
  about: 'Euclidean norm of the weights',
  needs: ['weight'],
  score: ({ weight, sum }) => sum((i) => weight[i]! ** 2).map(Math.sqrt),
};
