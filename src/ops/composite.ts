/** Composite ops: they answer with their decomposition, and the rest follows from its parts. */

import { int, op, text } from './op.ts';
import { exactly } from './sample.ts';

/**
 * Cross-entropy of logits [N, C, ...] against class numbers [N, ...], mean over all of them.
 *
 *   L = −1/M · Σ log softmax(x)[label]
 *
 * With `weights` per class the mean is weighted; `ignore_index` labels count nothing.
 */
export const SoftmaxCrossEntropyLoss = op({
  type: 'SoftmaxCrossEntropyLoss',
  inputs: ['scores', 'labels', 'weights?'],
  outputs: ['loss', 'log_prob?'],
  attrs: { reduction: text('mean'), ignore_index: int() },
  shape: ({ scores, labels }, { reduction }) => [
    { dims: reduction === 'none' ? labels.dims : [], dtype: scores.dtype },
    { dims: scores.dims, dtype: scores.dtype },
  ],
  grad: 'none',
  decompose: ({ scores, labels, weights }, { reduction, ignore_index }, g) => {
    const logP = g.LogSoftmax(scores, { axis: 1 });
    const hot = g.OneHot(labels, [scores.dims[1]!], g.constant(exactly('float32', [2], [0, 1]), 'off_on'), { axis: 1 });
    const picked = g.Neg(g.ReduceSum(g.Mul(logP, hot), [1], { keepdims: 0 })); // [N, ...]
    const perLabel = weights && g.Gather(weights, labels);
    const counted = ignore_index === undefined ? undefined : g.Cast(g.Not(g.Equal(labels, ignore_index)), { to: 1 });
    const share = perLabel && counted ? g.Mul(perLabel, counted) : (perLabel ?? counted);
    const each = share ? g.Mul(picked, share) : picked;
    if (reduction === 'none') return [each, logP];
    const axes = labels.dims.map((_, i) => i);
    const sum = g.ReduceSum(each, axes, { keepdims: 0 });
    if (reduction === 'sum') return [sum, logP];
    const count = labels.dims.reduce((n, dim) => n * dim, 1);
    return [share ? g.Div(sum, g.ReduceSum(share, axes, { keepdims: 0 })) : g.Mul(sum, 1 / count), logP];
  },
  couple: 'none',
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [
    { scores: [3, 4], labels: exactly('int64', [3], [0, 3, 1]) },
    { scores: [2, 3, 2], labels: exactly('int64', [2, 2], [0, 2, 1, 1]), attrs: { reduction: 'sum' } },
    { scores: [3, 4], labels: exactly('int64', [3], [0, 3, 1]), weights: exactly('float32', [4], [1, 2, 0.5, 1]) },
  ],
});
