/** Cross-entropy of logits against class numbers. */

import { float32 } from '../../graph/tensor.ts';
import type { Loss } from './loss.ts';

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. Szegedy et al. 2016, arXiv:1512.00567. Default 0. */
  labelSmoothing?: number;
  /** A weight for each class; the mean is weighted. */
  classWeights?: readonly number[];
  /** A label that counts nothing, such as -100. Default: none. */
  ignore?: number;
}

/**
 * −Σ_k t_k · log softmax(x)_k, mean over the batch; t is one-hot, smoothed by ε: (1 − ε) one-hot + ε / K.
 *
 * Shapes   logits [N, K] (or [N, K, ...]), labels [N] (or [N, ...]) int64.
 */
export const crossEntropy =
  ({ labelSmoothing = 0, classWeights, ignore }: CrossEntropyOptions = {}): Loss =>
  (g, { logits, column }) => {
    const labels = column('labels', 'int64', logits.dims.slice(2));
    const weights = classWeights ? g.constant(float32([classWeights.length], classWeights), 'class_weights') : null;
    const attrs = { reduction: 'mean', ...(ignore !== undefined && { ignore_index: ignore }) };
    const hard = g.emit('SoftmaxCrossEntropyLoss', [logits, labels, weights], attrs)[0]!;
    if (labelSmoothing === 0) return hard;
    const surprise = g.Neg(g.ReduceMean(g.LogSoftmax(logits, { axis: 1 }), [1], { keepdims: 0 })); // [N, ...]
    const all = (x: typeof surprise, mean: 'ReduceMean' | 'ReduceSum') =>
      g[mean](
        x,
        x.dims.map((_, i) => i),
        { keepdims: 0 },
      );
    const counted = ignore === undefined ? undefined : g.Cast(g.Not(g.Equal(labels, ignore)), { to: 1 });
    const even = counted
      ? g.Div(all(g.Mul(surprise, counted), 'ReduceSum'), g.Max(all(counted, 'ReduceSum'), 1))
      : all(surprise, 'ReduceMean');
    return g.Add(g.Mul(hard, 1 - labelSmoothing), g.Mul(even, labelSmoothing));
  };
