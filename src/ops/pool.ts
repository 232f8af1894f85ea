/** Pooling over sliding windows and over whole maps. */

import { minus, plus, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { count, noMacs } from './answer.ts';
import { onesWereUnderstood } from './history.ts';
import type { Axis } from './link.ts';
import { free, type Link, mixes, tie } from './link.ts';
import { int, ints, op, text } from './op.ts';
import { avgPoolSlope, maxPoolSlope } from './pool-slope.ts';
import { exactly } from './sample.ts';
import { type WindowAttrs, windowOf } from './window.ts';

const windowAttrs = {
  auto_pad: text('NOTSET'),
  kernel_shape: ints([]),
  strides: ints(),
  pads: ints(),
  dilations: ints(),
  ceil_mode: int(0),
};

const pooled = (dims: readonly Dim[], a: WindowAttrs & { readonly kernel_shape: readonly number[] }): Dim[] => [
  dims[0]!,
  dims[1]!,
  ...windowOf(dims.slice(2), a.kernel_shape, a).out,
];

const perChannel = (X: readonly Axis[], Y: readonly Axis[]): Link[] => [
  tie(Y[0]!, X[0]!, 'samples stay samples'),
  tie(Y[1]!, X[1]!, 'each channel is pooled alone'),
];

export const MaxPool = op({
  type: 'MaxPool',
  inputs: ['X'],
  outputs: ['Y', 'Indices?'],
  attrs: { ...windowAttrs, storage_order: int(0) },
  // X [N, C, ...size] -> Y [N, C, ...out]
  shape: ({ X }, a, outputs) => {
    const dims = pooled(X.dims, a);
    return [{ dims, dtype: X.dtype }, ...(outputs > 1 ? [{ dims, dtype: 'int64' as const }] : [])];
  },
  grad: ({ X, Y, dY }, a, g) => ({ X: maxPoolSlope(X, Y, dY, windowOf(X.dims.slice(2), a.kernel_shape, a), a, g) }),
  couple: ({ X, Y }) => perChannel(X, Y),
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 3, 4, 4], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 5, 7], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 6, 6], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { X: [1, 2, 7], attrs: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
    { X: [1, 1, 6, 6], attrs: { kernel_shape: [2, 2], dilations: [2, 2] } },
    { X: [1, 2, 5, 5], attrs: { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  ],
  history: [onesWereUnderstood(9, 'dilations')],
});

export const AveragePool = op({
  type: 'AveragePool',
  inputs: ['X'],
  attrs: { ...windowAttrs, count_include_pad: int(0) },
  shape: ({ X }, a) => pooled(X.dims, a),
  grad: ({ X, dY }, a, g) => ({
    X: avgPoolSlope(X.dims, dY, windowOf(X.dims.slice(2), a.kernel_shape, a), a.count_include_pad === 1, g),
  }),
  couple: ({ X, Y }) => perChannel(X, Y),
  cost: noMacs,
  quant: 'own',
  samples: [
    { X: [2, 3, 4, 4], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 6, 6], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { X: [1, 2, 6, 6], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 } },
    { X: [1, 2, 5, 5], attrs: { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER', strides: [2, 2] } },
    { X: [1, 2, 7], attrs: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
  ],
  history: [onesWereUnderstood(18, 'dilations')],
});

const ones = (dims: readonly Dim[]): Dim[] => dims.map((dim, i) => (i < 2 ? dim : 1));

const wholeMap = (X: readonly Axis[], Y: readonly Axis[]): Link[] => [
  ...perChannel(X, Y),
  ...X.slice(2).map((axis) => mixes(axis, 'pooled over as a whole')),
  ...Y.slice(2).map((axis) => free(axis)),
];

export const GlobalAveragePool = op({
  type: 'GlobalAveragePool',
  inputs: ['X'],
  attrs: {},
  // X [N, C, ...size] -> Y [N, C, 1, ...]
  shape: ({ X }) => ones(X.dims),
  grad: ({ X, dY }, _, g) => {
    const places = X.dims.slice(2).reduce((n, dim) => n * dim, 1);
    return { X: g.Expand(g.Mul(dY, 1 / places), [...X.dims]) };
  },
  couple: ({ X, Y }) => wholeMap(X, Y),
  cost: noMacs,
  quant: 'own',
  samples: [{ X: [2, 3, 4, 4] }, { X: [2, 3, 5] }],
});

export const GlobalMaxPool = op({
  type: 'GlobalMaxPool',
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => ones(X.dims),
  // Places that tie share the slope.
  grad: ({ X, Y, dY }, _, g) => {
    const axes = X.dims.slice(2).map((__, i) => 2 + i);
    const isMax = g.Cast(g.Equal(X, Y), { to: 1 });
    return { X: g.Mul(isMax, g.Div(dY, g.ReduceSum(isMax, axes))) };
  },
  couple: ({ X, Y }) => wholeMap(X, Y),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3, 4, 4] }],
});

/** (Σ |x|ᵖ)^(1/p) over the window; padding counts as zeros. */
export const LpPool = op({
  type: 'LpPool',
  inputs: ['X'],
  attrs: { ...windowAttrs, p: int(2) },
  shape: ({ X }, a) => pooled(X.dims, a),
  grad: 'missing',
  // A sum over a window is its mean times its size, padding included.
  decompose: ({ X }, { p, ceil_mode, kernel_shape, strides, pads, dilations, auto_pad }, g) => {
    if (ceil_mode === 1) return undefined;
    const power = p === 1 ? g.Abs(X) : p === 2 ? g.Mul(X, X) : g.Pow(g.Abs(X), p);
    const window = { kernel_shape, strides, pads, dilations, auto_pad, count_include_pad: 1 };
    const sum = g.Mul(g.AveragePool(power, window), count(kernel_shape));
    return [p === 1 ? sum : p === 2 ? g.Sqrt(sum) : g.Pow(sum, 1 / p)];
  },
  couple: ({ X, Y }) => perChannel(X, Y),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [1, 2, 4, 4], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 5], attrs: { kernel_shape: [3], pads: [1, 1], p: 3 } },
  ],
  history: [onesWereUnderstood(17, 'dilations')],
});

export const GlobalLpPool = op({
  type: 'GlobalLpPool',
  inputs: ['X'],
  attrs: { p: int(2) },
  shape: ({ X }) => ones(X.dims),
  grad: 'none',
  decompose: ({ X }, { p }, g) => {
    const axes = X.dims.map((_, i) => i).slice(2);
    if (p === 1) return [g.ReduceL1(X, axes)];
    return [p === 2 ? g.ReduceL2(X, axes) : g.Pow(g.ReduceSum(g.Pow(g.Abs(X), p), axes), 1 / p)];
  },
  couple: ({ X, Y }) => wholeMap(X, Y),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3, 2, 2] }, { X: [1, 2, 4], attrs: { p: 3 } }],
});

/** Each element put back to the place that MaxPool's Indices name; zeros elsewhere. */
export const MaxUnpool = op({
  type: 'MaxUnpool',
  inputs: ['X', 'I', 'output_shape?'],
  attrs: { kernel_shape: ints([]), strides: ints(), pads: ints() },
  shape: ({ X, output_shape }, { kernel_shape, strides, pads }) => {
    if (output_shape) return output_shape.ints ?? X.dims.map(() => null);
    return X.dims.map((dim, i) => {
      if (i < 2) return dim;
      const [stride, kernel] = [strides?.[i - 2] ?? 1, kernel_shape[i - 2]!];
      const padding = (pads?.[i - 2] ?? 0) + (pads?.[i - 2 + kernel_shape.length] ?? 0);
      return plus(times(minus(dim, 1), stride), kernel - padding);
    });
  },
  grad: ({ X, I, dY }, _, g) => {
    const read = g.GatherElements(g.reshape(dY, [count(dY.dims)]), g.reshape(I, [count(X.dims)]));
    return { X: g.reshape(read, X.dims) };
  },
  couple: ({ X, Y }) => [tie(Y[0]!, X[0]!, 'samples stay samples')],
  cost: noMacs,
  quant: 'float',
  samples: [
    {
      X: [1, 1, 2, 2],
      I: exactly('int64', [1, 1, 2, 2], [0, 3, 9, 14]),
      attrs: { kernel_shape: [2, 2], strides: [2, 2] },
    },
  ],
});
