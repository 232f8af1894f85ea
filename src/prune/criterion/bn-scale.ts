/** The factor |γ| behind a channel. Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming", arXiv:1708.06519. */

import type { Criterion } from './criterion.ts';

export const bnScale: Criterion = {
  name: 'bn-scale',
  about: '|γ| of the normalisation behind the channel; the L2 norm where there is none',
  needs: ['weight'],
  accepts: ({ slot }) => slot.toLowerCase() === 'scale',
  score: ({ weight, sum }) => sum((i) => Math.abs(weight[i]!)),
};
