/** Normalisation over places, groups of channels and vectors. */

import { numbers, type Tensor, tensor } from '../graph/tensor.ts';
import { count, fromFront, noMacs } from './answer.ts';
import { intOf } from './history.ts';
import { adjust, mixes, tie, tieRuns } from './link.ts';
import { alongChannels, meanOver, statistics } from './moments.ts';
import { float, int, ints, op, type StaticValue } from './op.ts';
import { intVector } from './sample.ts';

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
  cost: noMacs,
  quant: 'float',
  decompose: ({ X }, { axes, epsilon }, g) => {
    const { mean, variance, centred } = statistics(X, axes, g);
    return [g.Mul(centred, g.Div(1, g.Sqrt(g.Add(variance, epsilon)))), mean, variance];
  },
  samples: [],
});

/** Standardised over all places of one channel of one sample: Y = (X − μ) · r · scale + B. */
export const InstanceNormalization = op({
  type: 'InstanceNormalization',
  inputs: ['X', 'scale', 'B'],
  attrs: { epsilon: float(1e-5) },
  shape: ({ X }) => X.dims,
  grad: 'none',
  decompose: ({ X, scale, B }, { epsilon }, g) => {
    const rank = X.dims.length;
    const axes = X.dims.flatMap((_, i) => (i < 2 ? [] : [i]));
    const standard = g.emit('Standardize', [X], { axes, epsilon })[0]!;
    return [g.Add(g.Mul(standard, alongChannels(scale, rank, g)), alongChannels(B, rank, g))];
  },
  couple: ({ X, scale, B, Y }) => [
    ...X.flatMap((axis, i) => (i < 2 ? [tie(Y[i]!, axis)] : [mixes(axis, 'normalised over')])),
    ...[scale, B].map((v) => tie(X[1]!, v[0]!, 'scale of the channel')),
  ],
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3, 4, 4], scale: [3], B: [3] },
    { X: [2, 3, 5], scale: [3], B: [3], attrs: { epsilon: 0.1 } },
  ],
});

/** Standardised over the places and channels of each group; scale and bias per channel. */
export const GroupNormalization = op({
  type: 'GroupNormalization',
  inputs: ['X', 'scale', 'bias'],
  attrs: { epsilon: float(1e-5), num_groups: int(1), stash_type: int(1) },
  shape: ({ X }) => X.dims,
  grad: 'none',
  decompose: ({ X, scale, bias }, { epsilon, num_groups }, g) => {
    const [n, channels, ...places] = X.dims as [number, number, ...number[]];
    const grouped = g.reshape(X, [n, num_groups, (channels / num_groups) * count(places)]);
    const standard = g.reshape(g.emit('Standardize', [grouped], { axes: [2], epsilon })[0]!, X.dims);
    const rank = X.dims.length;
    return [g.Add(g.Mul(standard, alongChannels(scale, rank, g)), alongChannels(bias, rank, g))];
  },
  couple: ({ X, scale, bias, Y }, { num_groups }) => {
    const channels = X[1]!;
    const width = channels.size / num_groups;
    return [
      tie(Y[0]!, X[0]!, 'samples stay samples'),
      tie(Y[1]!, channels),
      tieRuns(channels, width, 'a group is normalised as a whole'),
      ...X.slice(2).flatMap((axis, i) => [tie(Y[i + 2]!, axis), mixes(axis, 'normalised over')]),
      ...[scale, bias].map((v) => tie(channels, v[0]!, 'scale of the channel')),
      adjust((kept) => ({ attrs: { num_groups: kept(channels).length / width } })),
    ];
  },
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 4, 3, 3], scale: [4], bias: [4], attrs: { num_groups: 2 } }],
  history: [
    {
      // Up to opset 20 scale and bias had one element per group.
      until: 20,
      modern: (node, make) => {
        const channels = make.dims(node.inputs[0]!)?.[1];
        if (typeof channels !== 'number') return node;
        const width = channels / intOf(node, 'num_groups', 1);
        const owner = intVector(...Array.from({ length: channels }, (_, c) => Math.floor(c / width)));
        const perChannel = (name: string): string => {
          const known = make.constantOf(name);
          if (known) return make.constant(`${name}_per_channel`, eachTimes(known, width));
          const wide = make.fresh(`${name}_per_channel`);
          const inputs = [name, make.constant('group_of_channel', owner)];
          make.before({ op: 'Gather', inputs, outputs: [wide], attrs: {} });
          return wide;
        };
        return { ...node, inputs: [node.inputs[0]!, perChannel(node.inputs[1]!), perChannel(node.inputs[2]!)] };
      },
      old: (node, make) => {
        const groups = intOf(node, 'num_groups', 1);
        const [X, ...both] = node.inputs as [string, string, string];
        const perGroup = both.map((name) => alikeWithin(make.constantOf(name), groups));
        return perGroup.every((constant) => constant !== undefined)
          ? { ...node, inputs: [X, ...perGroup.map((constant) => make.constant('per_group', constant))] }
          : 'scale and bias had one element per group';
      },
    },
  ],
});

/** A vector with each element so many times. */
const eachTimes = (vector: Tensor, times: number): Tensor => {
  const values = numbers(vector).flatMap((x) => new Array<number>(times).fill(x));
  return tensor(vector.dtype, [values.length], values);
};

/** One element of each group of a vector, if all of a group are alike. */
const alikeWithin = (vector: Tensor | undefined, groups: number): Tensor | undefined => {
  const values = vector && numbers(vector);
  const width = values ? values.length / groups : 0;
  const first = values?.filter((_, i) => i % width === 0);
  const isAlike = values?.every((x, i) => x === first![Math.floor(i / width)]);
  return vector && isAlike ? tensor(vector.dtype, [groups], first!) : undefined;
};

/** Standardised over `axes`, without a scale. */
export const MeanVarianceNormalization = op({
  type: 'MeanVarianceNormalization',
  inputs: ['X'],
  attrs: { axes: ints([0, 2, 3]) },
  shape: ({ X }) => X.dims,
  grad: 'none',
  decompose: ({ X }, { axes }, g) =>
    g.emit('Standardize', [X], { axes: axes.map((axis) => fromFront(axis, X.dims.length)), epsilon: 1e-18 }),
  couple: ({ X, Y }, { axes }) =>
    X.flatMap((axis, i) =>
      axes.some((a) => fromFront(a, X.length) === i) ? [mixes(axis, 'normalised over')] : [tie(Y[i]!, axis)],
    ),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3, 2, 4] }],
});

// Y = X / ‖X‖ₚ along one axis;  dX = (dY − D · Σ dY · Y) / ‖X‖ₚ,  D = Y for p = 2, sign X for p = 1
export const LpNormalization = op({
  type: 'LpNormalization',
  inputs: ['X'],
  attrs: { axis: int(-1), p: int(2) },
  shape: ({ X }) => X.dims,
  grad: ({ X, Y, dY }, { axis, p }, g) => {
    const axes = [fromFront(axis, X.dims.length)];
    const size = g.Max(p === 1 ? g.ReduceL1(X, axes) : g.ReduceL2(X, axes), 1e-30);
    const direction = p === 1 ? g.Sign(X) : Y;
    return { X: g.Div(g.Sub(dY, g.Mul(direction, g.ReduceSum(g.Mul(dY, Y), axes))), size) };
  },
  couple: ({ X, Y }, { axis }) =>
    X.flatMap((a, i) => (i === fromFront(axis, X.length) ? [mixes(a, 'normalised over')] : [tie(Y[i]!, a)])),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3] }, { X: [2, 3, 2], attrs: { axis: 1, p: 1 } }],
});

/**
 * Local response normalisation over neighbouring channels.
 *
 *   Y = X / (bias + alpha / size · Σ X² over the `size` channels around)^beta
 */
export const LRN = op({
  type: 'LRN',
  inputs: ['X'],
  attrs: { alpha: float(1e-4), beta: float(0.75), bias: float(1), size: int(1) },
  shape: ({ X }) => X.dims,
  grad: 'none',
  // The mean over a window of channels is a pool whose window slides along them.
  decompose: ({ X }, { alpha, beta, bias, size }, g) => {
    const [n, channels, ...places] = X.dims as [number, number, ...number[]];
    const square = g.reshape(g.Mul(X, X), [n, 1, channels, count(places)]);
    const before = Math.floor((size - 1) / 2);
    const mean = g.AveragePool(square, {
      kernel_shape: [size, 1],
      pads: [before, 0, size - 1 - before, 0],
      count_include_pad: 1,
    });
    return [g.Div(X, g.reshape(g.Pow(g.Add(g.Mul(mean, alpha), bias), beta), X.dims))];
  },
  couple: ({ X, Y }) => X.flatMap((a, i) => [tie(Y[i]!, a), ...(i === 1 ? [mixes(a, 'neighbours share a norm')] : [])]),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 5, 3, 1], attrs: { size: 3, alpha: 0.9, beta: 0.6, bias: 2 } },
    { X: [1, 4, 2, 2], attrs: { size: 5, alpha: 0.5 } },
  ],
});
