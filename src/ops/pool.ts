/** Pooling over sliding windows and over whole maps. */

import type { Dim } from '../graph/model.ts';
import type { Axis } from './link.ts';
import { free, type Link, mixes, tie } from './link.ts';
import { int, ints, op, text } from './op.ts';
import { avgPoolSlope, maxPoolSlope } from './pool-slope.ts';
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
  cost: () => ({ macs: 0 }),
  quant: 'passes',
  samples: [
    { X: [2, 3, 4, 4], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 5, 7], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 6, 6], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { X: [1, 2, 7], attrs: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
    { X: [1, 1, 6, 6], attrs: { kernel_shape: [2, 2], dilations: [2, 2] } },
    { X: [1, 2, 5, 5], attrs: { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  ],
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
  cost: () => ({ macs: 0 }),
  quant: 'own',
  samples: [
    { X: [2, 3, 4, 4], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { X: [1, 2, 6, 6], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { X: [1, 2, 6, 6], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 } },
    { X: [1, 2, 5, 5], attrs: { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER', strides: [2, 2] } },
    { X: [1, 2, 7], attrs: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
  ],
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
  cost: () => ({ macs: 0 }),
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
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [{ X: [2, 3, 4, 4] }],
});
