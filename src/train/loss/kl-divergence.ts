/** How far the predicted distribution is from a given one. */

import type { Loss } from './loss.ts';

/**
 * Σ_k t_k · (log t_k − log softmax(x)_k), mean over the batch; 0 · log 0 is 0.
 *
 * Shapes   logits x [N, K], labels t [N, K] float32, each row a distribution.
 */
export const klDivergence =
  (): Loss =>
  (g, { logits, column }) => {
    const t = column('labels', 'float32', logits.dims.slice(1));
    const logT = g.Log(g.Max(t, 1e-38));
    const each = g.ReduceSum(g.Mul(t, g.Sub(logT, g.LogSoftmax(logits, { axis: 1 }))), [1], { keepdims: 0 }); // [N]
    return g.ReduceMean(
      each,
      each.dims.map((_, i) => i),
      { keepdims: 0 },
    );
  };
