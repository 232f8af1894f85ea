/** Normalisation over the batch, with running statistics. */

import { count } from './answer.ts';
import { tie } from './link.ts';
import { alongChannels } from './moments.ts';
import { float, int, op, type StaticValue } from './op.ts';
import { positive } from './sample.ts';

export const BatchNormalization = op({
  type: 'BatchNormalization',
  inputs: ['X', 'scale', 'B', 'mean', 'var'],
  outputs: ['Y', 'running_mean?', 'running_var?'],
  attrs: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0) },

  // Y = (X − mean) / √(var + ε) · scale + B, per channel of X [N, C, ...]
  shape: ({ X, mean, var: variance }) => [
    { dims: X.dims, dtype: X.dtype },
    { dims: mean.dims, dtype: mean.dtype },
    { dims: variance.dims, dtype: variance.dtype },
  ],

  grad: ({ X, scale, mean, var: variance, dY }, { epsilon }, g) => {
    const [n, channels, ...rest] = X.dims as [number, number, ...number[]];
    const flat = (x: StaticValue): StaticValue => g.reshape(x, [n, channels, count(rest)]);
    const perChannel = (x: StaticValue): StaticValue =>
      g.ReduceSum(g.ReduceSum(flat(x), [2], { keepdims: 0 }), [0], { keepdims: 0 });
    const inverse = g.Div(1, g.Sqrt(g.Add(variance, epsilon)));
    const centred = g.Sub(X, alongChannels(mean, X.dims.length, g));
    const sum = perChannel(dY);
    const weighted = perChannel(g.Mul(dY, centred));
    const gain = g.Mul(scale, inverse);
    return {
      X: g.Mul(dY, alongChannels(gain, X.dims.length, g)),
      scale: g.Mul(weighted, inverse),
      B: sum,
      mean: g.Neg(g.Mul(sum, gain)),
      var: g.Mul(g.Mul(weighted, gain), g.Mul(g.Mul(inverse, inverse), -0.5)),
    };
  },

  // While learning: statistics of the batch, which also flow into the running ones (biased variance, as ONNX says).
  decompose: ({ X, scale, B, mean, var: variance }, { epsilon, momentum, training_mode }, g) => {
    if (training_mode !== 1) return undefined;
    const axes = X.dims.flatMap((_, i) => (i === 1 ? [] : [i]));
    const [standard, batchMean, batchVar] = g.emit('Standardize', [X], { axes, epsilon }, { outputs: 3 });
    const rank = X.dims.length;
    const Y = g.Add(g.Mul(standard!, alongChannels(scale, rank, g)), alongChannels(B, rank, g));
    const flow = (running: StaticValue, batch: StaticValue): StaticValue =>
      g.Add(g.Mul(running, momentum), g.Mul(g.reshape(batch, running.dims), 1 - momentum));
    return [Y, flow(mean, batchMean!), flow(variance, batchVar!)];
  },
  training: { attrs: { training_mode: 1 }, state: { mean: 'running_mean', var: 'running_var' } },

  couple: ({ X, scale, B, mean, var: variance, Y }) => [
    ...X.map((axis, i) => tie(Y[i]!, axis)),
    ...[scale, B, mean, variance].map((v) => tie(X[1]!, v[0]!, 'statistics of the channel')),
  ],
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [
    { X: [2, 3, 4, 4], scale: [3], B: [3], mean: [3], var: positive(3) },
    { X: [4, 3], scale: [3], B: [3], mean: [3], var: positive(3), attrs: { epsilon: 0.1 } },
  ],
  history: [{ until: 8, modern: ({ attrs: { spatial: _, ...attrs }, ...node }) => ({ ...node, attrs }) }],
});
