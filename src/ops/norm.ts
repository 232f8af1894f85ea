/** Normalisation and dropout. */

import { isStatic } from '../graph/dim.ts';
import { tensor } from '../graph/tensor.ts';
import type { Builder } from './builder.ts';
import { type Axis, type Link, mixes, tie, tieBroadcast } from './link.ts';
import { float, int, ints, op, type StaticValue } from './op.ts';
import { randomUniform } from './random-uniform.ts';
import { exactly, positive } from './sample.ts';

const product = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);

/** A vector [C] laid along axis 1 of a tensor of this rank. */
const alongChannels = (v: StaticValue, rank: number, g: Builder): StaticValue =>
  g.reshape(v, [v.dims[0]!, ...new Array<number>(rank - 2).fill(1)]);

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
    const flat = (x: StaticValue): StaticValue => g.reshape(x, [n, channels, product(rest)]);
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

/**
 * X made to mean 0 and variance 1 over `axes`: the heart of every normalisation, whole so that its slope stays short.
 *
 *   Y = (X − μ) · r,  r = 1 / √(σ² + ε)
 *   dX = r · (dY − mean(dY) − Y · mean(dY · Y))
 */
export const Standardize = op({
  type: 'Standardize',
  domain: 'pare',
  inputs: ['X'],
  outputs: ['Y', 'mean?', 'variance?'],
  attrs: { axes: ints([]), epsilon: float(1e-5) },
  shape: ({ X }, { axes }) => {
    const kept = X.dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
    return [X.dims, kept, kept].map((dims) => ({ dims, dtype: X.dtype }));
  },
  grad: ({ X, Y, variance, dY }, { axes, epsilon }, g) => {
    const r = g.Div(1, g.Sqrt(g.Add(variance ?? statistics(X, axes, g).variance, epsilon)));
    const mean = (x: StaticValue): StaticValue => meanOver(x, axes, g);
    return { X: g.Mul(g.Sub(g.Sub(dY, mean(dY)), g.Mul(Y, mean(g.Mul(dY, Y)))), r) };
  },
  couple: ({ X, Y }, { axes }) =>
    X.flatMap((axis, i) => (axes.includes(i) ? [mixes(axis, 'normalised over')] : [tie(Y[i]!, axis)])),
  cost: () => ({ macs: 0 }),
  quant: 'float',
  decompose: ({ X }, { axes, epsilon }, g) => {
    const { mean, variance, centred } = statistics(X, axes, g);
    return [g.Mul(centred, g.Div(1, g.Sqrt(g.Add(variance, epsilon)))), mean, variance];
  },
  samples: [],
});

/** The mean over axes, those kept as 1. Places first, then samples: the first reduction is contiguous and vectorised. */
function meanOver(x: StaticValue, axes: readonly number[], g: Builder): StaticValue {
  const count = axes.reduce((n, axis) => n * x.dims[axis]!, 1);
  const outer = axes.filter((axis) => axis === 0);
  const inner = axes.filter((axis) => axis !== 0);
  const isSplit = outer.length > 0 && inner.length > 0;
  if (!isSplit) return g.Mul(g.ReduceSum(x, [...axes]), 1 / count);
  const [n, channels, ...rest] = x.dims as [number, number, ...number[]];
  const sums = g.ReduceSum(g.ReduceSum(g.reshape(x, [n, channels, product(rest)]), [2], { keepdims: 0 }), [0], {
    keepdims: 0,
  });
  return g.reshape(g.Mul(sums, 1 / count), [1, channels, ...rest.map(() => 1)]);
}

const statistics = (X: StaticValue, axes: readonly number[], g: Builder) => {
  const mean = meanOver(X, axes, g);
  const centred = g.Sub(X, mean);
  return { mean, centred, variance: meanOver(g.Mul(centred, centred), axes, g) };
};

export const LayerNormalization = op({
  type: 'LayerNormalization',
  inputs: ['X', 'Scale', 'B?'],
  outputs: ['Y', 'Mean?', 'InvStdDev?'],
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  // Standardised over the axes from `axis` on, then scaled and shifted.
  shape: ({ X }, { axis }) => {
    const from = (axis + X.dims.length) % X.dims.length;
    const kept = X.dims.map((dim, i) => (i < from ? dim : 1));
    return [X.dims, kept, kept].map((dims) => ({ dims, dtype: X.dtype }));
  },
  grad: ({ X, Scale, B, dY }, { axis, epsilon }, g) => {
    const from = (axis + X.dims.length) % X.dims.length;
    const axes = X.dims.flatMap((_, i) => (i < from ? [] : [i]));
    const { centred, variance } = statistics(X, axes, g);
    const r = g.Div(1, g.Sqrt(g.Add(variance, epsilon)));
    const standard = g.Mul(centred, r);
    const scaled = g.Mul(dY, Scale);
    const mean = (x: StaticValue): StaticValue => meanOver(x, axes, g);
    return {
      X: g.Mul(g.Sub(g.Sub(scaled, mean(scaled)), g.Mul(standard, mean(g.Mul(scaled, standard)))), r),
      Scale: g.sumTo(g.Mul(dY, standard), Scale.dims),
      B: B && g.sumTo(dY, B.dims),
    };
  },
  couple: ({ X, Scale, B, Y }, { axis }) => {
    const from = (axis + X.length) % X.length;
    const over = (a: Axis): Link => mixes(a, 'LayerNormalization normalises over it');
    return [
      ...X.flatMap((a, i) => [tie(Y[i]!, a), ...(i < from ? [] : [over(a)])]),
      ...tieBroadcast(Y, Scale),
      ...tieBroadcast(Y, B),
    ];
  },
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [
    { X: [2, 3, 4], Scale: [4], B: [4] },
    { X: [2, 3, 4], Scale: [3, 4], attrs: { axis: 1 } },
  ],
});

/**
 * Dropout. While learning, each element stays with probability 1 − ratio and grows by 1 / (1 − ratio).
 *
 * The mask is a hash of (element, step), not the engine's own stream: a resumed run draws what an uninterrupted one would.
 */
export const Dropout = op({
  type: 'Dropout',
  inputs: ['X', 'ratio?', 'training_mode?'],
  outputs: ['Y', 'mask?'],
  attrs: { seed: int() },
  shape: ({ X }) => [
    { dims: X.dims, dtype: X.dtype },
    { dims: X.dims, dtype: 'bool' as const },
  ],
  grad: ({ dY }) => ({ X: dY }),
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: () => ({ macs: 0 }),
  quant: 'passes',
  training: { inputs: { training_mode: tensor('bool', [], Uint8Array.of(1)) } },
  decompose: ({ X, ratio, training_mode }, { seed }, g) => {
    const isLearning = training_mode?.constant?.bytes[0] === 1;
    const share = ratio?.constant
      ? new DataView(ratio.constant.bytes.buffer, ratio.constant.bytes.byteOffset).getFloat32(0, true)
      : 0.5;
    if (!isLearning || !isStatic(X.dims)) return undefined;
    const keep = randomUniform(X.dims, seed ?? 0, g);
    const mask = g.Cast(g.GreaterOrEqual(keep, share), { to: 1 });
    return [g.Mul(X, g.Mul(mask, 1 / (1 - share))), g.Cast(mask, { to: 9 })];
  },
  samples: [{ X: [2, 3] }, { X: [2, 3], ratio: exactly('float32', [], [0.3]) }],
  history: [
    {
      until: 11,
      modern: (node, make) => {
        const { ratio, ...attrs } = node.attrs;
        return ratio?.kind === 'float'
          ? { ...node, attrs, inputs: [node.inputs[0]!, make.constant('ratio', exactly('float32', [], [ratio.value]))] }
          : { ...node, attrs };
      },
    },
  ],
});
