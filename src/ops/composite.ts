/** Composite ops: they answer with their decomposition, and the rest follows from its parts. */

import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { int, op, type StaticValue, text } from './op.ts';
import { exactly } from './sample.ts';

/** −log p[label], reduced; weights per class and an ignored class count as the ONNX losses say. */
function likelihood(
  logP: StaticValue,
  labels: StaticValue,
  weights: StaticValue | undefined,
  { reduction, ignore_index }: { reduction: string; ignore_index: number | undefined },
  g: Builder,
): StaticValue {
  const hot = g.OneHot(labels, [logP.dims[1]!], g.constant(exactly('float32', [2], [0, 1]), 'off_on'), { axis: 1 });
  const picked = g.Neg(g.ReduceSum(g.Mul(logP, hot), [1], { keepdims: 0 })); // [N, ...]
  const counted = ignore_index === undefined ? undefined : g.Cast(g.Not(g.Equal(labels, ignore_index)), { to: 1 });
  // An ignored label need not be a class at all.
  const classes = counted && g.Mul(labels, g.Cast(counted, { to: 7 }));
  const perLabel = weights && g.Gather(weights, classes ?? labels);
  const share = perLabel && counted ? g.Mul(perLabel, counted) : (perLabel ?? counted);
  const each = share ? g.Mul(picked, share) : picked;
  if (reduction === 'none') return each;
  const axes = labels.dims.map((_, i) => i);
  const sum = g.ReduceSum(each, axes, { keepdims: 0 });
  if (reduction === 'sum') return sum;
  const many = labels.dims.reduce((n, dim) => n * dim, 1);
  // Where all are ignored the mean is 0, not undefined.
  return share ? g.Div(sum, g.Max(g.ReduceSum(share, axes, { keepdims: 0 }), 1e-12)) : g.Mul(sum, 1 / many);
}

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
    return [likelihood(logP, labels, weights, { reduction, ignore_index }, g), logP];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { scores: [3, 4], labels: exactly('int64', [3], [0, 3, 1]) },
    { scores: [2, 3, 2], labels: exactly('int64', [2, 2], [0, 2, 1, 1]), attrs: { reduction: 'sum' } },
    { scores: [3, 4], labels: exactly('int64', [3], [0, 3, 1]), weights: exactly('float32', [4], [1, 2, 0.5, 1]) },
  ],
});

/** Minus the log-probabilities [N, C, ...] at the class numbers [N, ...]: mean, sum, or one by one. */
export const NegativeLogLikelihoodLoss = op({
  type: 'NegativeLogLikelihoodLoss',
  inputs: ['scores', 'labels', 'weights?'],
  outputs: ['loss'],
  attrs: { reduction: text('mean'), ignore_index: int() },
  shape: ({ scores, labels }, { reduction }) => ({
    dims: reduction === 'none' ? labels.dims : [],
    dtype: scores.dtype,
  }),
  grad: 'none',
  decompose: ({ scores, labels, weights }, attrs, g) => [likelihood(scores, labels, weights, attrs, g)],
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { scores: [3, 4], labels: exactly('int64', [3], [0, 3, 1]) },
    { scores: [2, 3, 2], labels: exactly('int64', [2, 2], [0, 2, 1, 1]), attrs: { ignore_index: 1, reduction: 'sum' } },
    { scores: [2, 3], labels: exactly('int64', [2], [2, 0]), weights: exactly('float32', [3], [1, 2, 0.5]) },
  ],
});
