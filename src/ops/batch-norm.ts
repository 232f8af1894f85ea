/** Normalisation over the batch, with running statistics. */

import { count, noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { without } from './history.ts';
import { tie } from './link.ts';
import { alongChannels } from './moments.ts';
import { float, int, op, type StaticValue } from './op.ts';
import { positive } from './sample.ts';

export const BatchNormalization = op({
  type: 'BatchNormalization',
  inputs: ['X', 'scale', 'B', 'mean', 'var'],
  outputs: ['Y', 'running_mean?', 'running_var?'],
  attrs: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0), batch_share: float(1) },

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
  decompose: ({ X, scale, B, mean, var: variance }, { epsilon, momentum, training_mode, batch_share }, g) => {
    if (training_mode !== 1) return undefined;
    const [Y, batchMean, batchVar] = g.emit(
      'BatchStandardize',
      [X, scale, B],
      { epsilon, share: batch_share },
      { outputs: 4 },
    );
    const flow = (running: StaticValue, batch: StaticValue): StaticValue =>
      g.Add(g.Mul(running, momentum), g.Mul(g.reshape(batch, running.dims), 1 - momentum));
    return [Y!, flow(mean, batchMean!), flow(variance, batchVar!)];
  },
  training: { attrs: { training_mode: 1 }, state: { mean: 'running_mean', var: 'running_var' }, share: 'batch_share' },

  couple: ({ X, scale, B, mean, var: variance, Y }) => [
    ...X.map((axis, i) => tie(Y[i]!, axis)),
    ...[scale, B, mean, variance].map((v) => tie(X[1]!, v[0]!, 'statistics of the channel')),
  ],
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3, 4, 4], scale: [3], B: [3], mean: [3], var: positive(3) },
    { X: [4, 3], scale: [3], B: [3], mean: [3], var: positive(3), attrs: { epsilon: 0.1 } },
  ],
  history: [{ until: 8, modern: (node) => without(node, 'spatial'), old: (node) => node }],
});

/**
 * Batch normalisation while learning, whole so that neither it nor its slope reads the batch more often than it must.
 *
 *   c = X − μ;  r = 1 / √(σ² + ε);  a = scale · r;  Y = a · c + B
 *   dB = Σ dY;  dscale = r · Σ dY · c;  dX = a · dY − (a · r² / m · Σ dY · c) · c − a / m · Σ dY        m = elements per channel
 *
 * Where the batch is a `share` s of a larger one, whose loss is Σ s · loss over its parts, the statistics are those of the whole: see `wholeOf`.
 */
export const BatchStandardize = op({
  type: 'BatchStandardize',
  domain: 'pare',
  inputs: ['X', 'scale', 'B'],
  outputs: ['Y', 'mean', 'variance', 'centred'],
  attrs: { epsilon: float(1e-5), share: float(1) },
  shape: ({ X, scale }) => [X.dims, scale.dims, scale.dims, X.dims].map((dims) => ({ dims, dtype: X.dtype })),
  decompose: ({ X, scale, B }, { epsilon, share }, g) => {
    const many = count(X.dims) / X.dims[1]!;
    const sum = g.emit('ChannelSum', [X])[0]!;
    const mean = wholeOf(sum, share, 1 / many, g);
    const centred = g.emit('ChannelAffine', [X, null, share === 1 ? g.Mul(sum, -1 / many) : g.Neg(mean)])[0]!;
    const variance = wholeOf(g.emit('ChannelDot', [centred, centred])[0]!, share, 1 / many, g);
    const gain = g.Div(scale, g.Sqrt(g.Add(variance, epsilon)));
    return [g.emit('ChannelAffine', [centred, gain, B])[0]!, mean, variance, centred];
  },
  grad: ({ X, scale, variance, centred, dY }, { epsilon, share }, g) => {
    const many = count(X.dims) / X.dims[1]!;
    const sum = g.emit('ChannelSum', [dY])[0]!;
    const weighted = g.emit('ChannelDot', [dY, centred])[0]!;
    const r = g.Div(1, g.Sqrt(g.Add(variance, epsilon)));
    const a = g.Mul(scale, r);
    const dScale = g.Mul(weighted, r);
    const perElement = g.Mul(a, -1 / many);
    const [allSum, allScale] =
      share === 1 ? [sum, dScale] : [wholeOf(sum, share, 1, g), g.Mul(wholeOf(weighted, share, 1, g), r)];
    const bend = g.emit('ChannelAffine', [
      centred,
      g.Mul(perElement, g.Mul(allScale, r)),
      g.Mul(perElement, allSum),
    ])[0]!;
    return { X: g.emit('ChannelAffine', [dY, a, null, bend])[0]!, scale: dScale, B: sum };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
});

/** Σ s · factor · x over the parts of a batch: for μ, σ² and the two sums within dX. dscale and dB stay a part's own, as all slopes of weights do. */
const wholeOf = (x: StaticValue, share: number, factor: number, g: Builder): StaticValue =>
  share === 1 ? g.Mul(x, factor) : g.emit('RankSum', [g.Mul(x, factor * share)], { forward: 1, backward: 1 })[0]!;
