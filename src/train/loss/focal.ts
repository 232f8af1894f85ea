/** Cross-entropy that cares less about what is known already. */

import type { Loss } from './loss.ts';

export interface FocalOptions {
  /** How fast a sample's weight falls with its probability; 0 is plain cross-entropy. Default 2. */
  gamma?: number;
}

/**
 * mean( (1 − p)^γ · −log p ), p = the probability of the labelled class.
 *
 * Shapes   logits [N, K] (or [N, K, ...]), labels [N] (or [N, ...]) int64.
 * Source   Lin et al. 2017, arXiv:1708.02002.
 */
export const focal =
  ({ gamma = 2 }: FocalOptions = {}): Loss =>
  (g, { logits, column }) => {
    const labels = column('labels', 'int64', logits.dims.slice(2));
    const surprise = g.emit('SoftmaxCrossEntropyLoss', [logits, labels], { reduction: 'none' })[0]!; // −log p
    // 1 − p = 1 − e^−surprise; the smallest float keeps its power's slope finite where p is 1.
    const miss = g.Max(g.Sub(1, g.Exp(g.Neg(surprise))), 1e-12);
    const each = g.Mul(g.Pow(miss, gamma), surprise);
    return g.ReduceMean(
      each,
      each.dims.map((_, i) => i),
      { keepdims: 0 },
    );
  };
