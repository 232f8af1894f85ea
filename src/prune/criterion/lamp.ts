/**
 * Layer-adaptive magnitude: how much of what remains in its layer a channel is.
 *
 *   score(u) = s(u) / Σ s(v) over v with s(v) ≥ s(u),      s(u) = Σ w²
 *
 * Comparable across layers by construction: the strongest channel of each has score 1.
 * Source   Lee et al. 2021, "Layer-adaptive sparsity for the Magnitude-based Pruning", arXiv:2010.07611.
 */

import type { Criterion } from './criterion.ts';

export const lamp: Criterion = {
  name: 'lamp',
  about: 'share of what remains in the layer; finds the shares per layer by itself',
  needs: ['weight'],
  normalization: 'none',
  score: ({ weight, sum }) => {
    const strength = sum((i) => weight[i]! ** 2);
    const order = Array.from(strength.keys()).sort((a, b) => strength[b]! - strength[a]!);
    const score = new Float64Array(strength.length);
    let above = 0;
    for (const unit of order) {
      above += strength[unit]!;
      score[unit] = above > 0 ? strength[unit]! / above : 0;
    }
    return score;
  },
};
