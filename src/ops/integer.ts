/** Products and convolutions in integers, as quantised files have them: costed, protected, opened where a slope is asked for. */

import type { DType } from '../graph/dtype.ts';
import { count } from './answer.ts';
import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import { Conv } from './conv.ts';
import { MatMul } from './matmul.ts';
import { int, ints, type Scope, type StaticValue, text, type Value } from './op.ts';
import { kernel, productScale, real, stored } from './quantized.ts';
import { exactly } from './sample.ts';

const convAttrs = {
  auto_pad: text('NOTSET'),
  kernel_shape: ints(),
  strides: ints(),
  dilations: ints(),
  pads: ints(),
  group: int(1),
};

/** The dimensions that the float op would give, under another dtype. */
const as = (dtype: DType, answer: unknown) => ({ dims: answer as readonly number[], dtype });
const convDims = (X: Value, W: Value, a: Parameters<typeof Conv.shape>[1], scope: Scope) =>
  Conv.shape({ X, W, B: undefined }, a, 1, scope);
const convMacs = (W: StaticValue, Y: StaticValue) => ({ macs: count(Y.dims) * count(W.dims.slice(1)) });
const matMacs = (A: StaticValue, Y: StaticValue) => ({ macs: count(Y.dims) * A.dims[A.dims.length - 1]! });

/** Integers, held or stored, less their zero point, as floats; `lie` lays a zero point per channel along its axis. */
const less = (
  x: StaticValue,
  zero: StaticValue | undefined,
  g: Builder,
  lie: (zero: StaticValue) => StaticValue = (z) => z,
): StaticValue => {
  const asFloat = (v: StaticValue) => (v.dtype === 'float32' ? v : g.Cast(v, { to: 1 }));
  return zero ? g.Sub(asFloat(x), lie(asFloat(zero))) : asFloat(x);
};
const isOne = (v: StaticValue): boolean => count(v.dims) === 1;

export const ConvInteger = carried('ConvInteger', {
  inputs: ['X', 'W', 'x_zero?', 'w_zero?'],
  attrs: convAttrs,
  shape: ({ X, W }, a, _, scope) => as('int32', convDims(X, W, a, scope)),
  grad: 'none',
  held: ({ X, W, x_zero, w_zero }, a, g) => {
    const alongOut = (z: StaticValue) => (isOne(z) ? z : g.reshape(z, [z.dims[0]!, ...W.dims.slice(1).map(() => 1)]));
    return [g.Conv(less(X, x_zero, g), less(W, w_zero, g, alongOut), a)];
  },
  cost: ({ W, Y }) => convMacs(W, Y),
  samples: [
    {
      X: exactly('uint8', [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      W: exactly('uint8', [1, 1, 2, 2], [1, 1, 1, 1]),
      macs: 4 * 4,
    },
  ],
});

export const QLinearConv = kernel('QLinearConv', {
  inputs: ['X', 'x_scale', 'x_zero', 'W', 'w_scale', 'w_zero', 'y_scale', 'y_zero', 'B?'],
  attrs: convAttrs,
  shape: ({ X, W, y_zero }, a, _, scope) => as(y_zero.dtype, convDims(X, W, a, scope)),
  cost: ({ W, Y }) => convMacs(W, Y),
  decompose: ({ X, x_scale, x_zero, W, w_scale, w_zero, y_scale, y_zero, B }, a, g) => {
    const bias = B && real(B, productScale(x_scale, w_scale, g), undefined, g);
    const y = g.Conv(real(X, x_scale, x_zero, g), real(W, w_scale, w_zero, g), bias, a);
    return stored(y, y_scale, y_zero, X, g);
  },
  samples: [
    {
      X: exactly('uint8', [1, 2, 2, 2], [130, 2, 30, 44, 250, 6, 77, 128]),
      x_scale: exactly('float32', [], [0.05]),
      x_zero: exactly('uint8', [], [120]),
      W: exactly('int8', [2, 2, 1, 1], [11, -70, 100, 3]),
      w_scale: exactly('float32', [2], [0.02, 0.03]),
      w_zero: exactly('int8', [2], [0, 0]),
      y_scale: exactly('float32', [], [0.1]),
      y_zero: exactly('uint8', [], [100]),
      B: exactly('int32', [2], [300, -200]),
      macs: 2 * 2 * 4,
    },
  ],
});

export const MatMulInteger = carried('MatMulInteger', {
  inputs: ['A', 'B', 'a_zero?', 'b_zero?'],
  attrs: {},
  shape: ({ A, B }, a, outputs, scope) => as('int32', MatMul.shape({ A, B }, a, outputs, scope)),
  grad: 'none',
  held: ({ A, B, a_zero, b_zero }, _, g) => {
    const alongRows = (z: StaticValue) => (z.dims.length === 1 && !isOne(z) ? g.reshape(z, [z.dims[0]!, 1]) : z);
    return [g.MatMul(less(A, a_zero, g, alongRows), less(B, b_zero, g))];
  },
  cost: ({ A, Y }) => matMacs(A, Y),
  samples: [
    {
      A: exactly('uint8', [2, 3], [1, 2, 3, 4, 5, 6]),
      B: exactly('uint8', [3, 2], [1, 2, 3, 4, 5, 6]),
      macs: 2 * 2 * 3,
    },
  ],
});

export const QLinearMatMul = kernel('QLinearMatMul', {
  inputs: ['A', 'a_scale', 'a_zero', 'B', 'b_scale', 'b_zero', 'y_scale', 'y_zero'],
  attrs: {},
  shape: ({ A, B, y_zero }, a, outputs, scope) => as(y_zero.dtype, MatMul.shape({ A, B }, a, outputs, scope)),
  cost: ({ A, Y }) => matMacs(A, Y),
  decompose: ({ A, a_scale, a_zero, B, b_scale, b_zero, y_scale, y_zero }, _, g) => {
    const y = g.MatMul(real(A, a_scale, a_zero, g, A.dims.length - 2), real(B, b_scale, b_zero, g, B.dims.length - 1));
    return stored(y, y_scale, y_zero, A, g);
  },
  samples: [
    {
      A: exactly('uint8', [2, 3], [1, 200, 30, 44, 250, 6]),
      a_scale: exactly('float32', [], [0.05]),
      a_zero: exactly('uint8', [], [120]),
      B: exactly('int8', [3, 2], [11, -70, 100, 3, 5, -6]),
      b_scale: exactly('float32', [], [0.02]),
      b_zero: exactly('int8', [], [0]),
      y_scale: exactly('float32', [], [0.1]),
      y_zero: exactly('uint8', [], [128]),
      macs: 2 * 2 * 3,
    },
  ],
});

// scale = (max(0, x) − min(0, x)) / 255 of what is in the tensor
export const DynamicQuantizeLinear = carried('DynamicQuantizeLinear', {
  inputs: ['X'],
  outputs: ['Y', 'scale', 'zero'],
  attrs: {},
  shape: ({ X }) => [
    { dims: X.dims, dtype: 'uint8' },
    { dims: [], dtype: 'float32' },
    { dims: [], dtype: 'uint8' },
  ],
  grad: 'none',
  // The range is taken as it is.
  rounded: ({ X }, _, g) => {
    const [, scale, zero] = g.emit('DynamicQuantizeLinear', [X], {}, { outputs: 3 }) as [
      StaticValue,
      StaticValue,
      StaticValue,
    ];
    return [...g.emit('RoundToSteps', [X, scale, zero], {}, { domain: 'pare' }), scale, zero];
  },
  samples: [{ X: exactly('float32', [3], [0, 2, -1]), outputs: 3 }],
});
