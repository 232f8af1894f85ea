/** Cross-entropy of logits against class numbers. */

import { float32 } from '../../graph/tensor.ts';
import type { Loss } from './loss.ts';

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. Szegedy et al. 2016, arXiv:1512.00567. Default 0. */
  labelSmoothing?: number;
  /** A weight for each class; the mean is weighted. */
  classWeights?: readonly number[];
}

/**
 * −Σ_k t_k · log softmax(x)_k, mean over the batch; t is one-hot, smoothed by ε: (1 − ε) one-hot + ε / K.
 *
 * Shapes   logits [N, K] (or [N, K, ...]), labels [N] (or [N, ...]) int64.
 */
export const crossEntropy =
  ({ labelSmoothing = 0, classWeights }: CrossEntropyOptions = {}): Loss =>
  (g, { logits, column }) => {
    const labels = column('labels', 'int64', logits.dims.slice(2));
    const weights = classWeights ? g.constant(float32([classWeights.length], classWeights), 'class_weights') : null;
    const hard = g.emit('SoftmaxCrossEntropyLoss', [logits, labels, weights], { reduction: 'mean' })[0]!;
    if (labelSmoothing === 0) return hard;
    const axes = logits.dims.map((_, i) => i);
    const even = g.Neg(g.ReduceMean(g.LogSoftmax(logits, { axis: 1 }), axes, { keepdims: 0 }));
    return g.Add(g.Mul(hard, 1 - labelSmoothing), g.Mul(even, labelSmoothing));
  };
