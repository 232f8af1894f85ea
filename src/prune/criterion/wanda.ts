/** What a channel adds to its readers: Σ |w| · ‖x‖₂. Sun et al. 2024, "A Simple and Effective Pruning Approach for LLMs", arXiv:2306.11695, per channel. */

import type { Criterion } from './criterion.ts';

export const wanda: Criterion = {
  name: 'wanda',
  about: 'Σ |w|·‖x‖ of the readers; data, no labels',
  needs: ['weight', 'activation'],
  accepts: ({ role, dims }) => role === 'in' && dims.length > 1,
  score: ({ weight, activation, sum }) => sum((i) => Math.abs(weight[i]!)).map((x, u) => x * activation.rms[u]!),
};
