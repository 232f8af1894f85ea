/** Products and convolutions in integers, as quantised files have them: carried, costed, protected. */

import type { DType } from '../graph/dtype.ts';
import { count } from './answer.ts';
import { carried } from './carried.ts';
import { Conv } from './conv.ts';
import { MatMul } from './matmul.ts';
import { int, ints, type Scope, type StaticValue, text, type Value } from './op.ts';
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

export const ConvInteger = carried('ConvInteger', {
  inputs: ['X', 'W', 'x_zero?', 'w_zero?'],
  attrs: convAttrs,
  shape: ({ X, W }, a, _, scope) => as('int32', convDims(X, W, a, scope)),
  grad: 'none',
  cost: ({ W, Y }) => convMacs(W, Y),
  samples: [
    {
      X: exactly('uint8', [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      W: exactly('uint8', [1, 1, 2, 2], [1, 1, 1, 1]),
      macs: 4 * 4,
    },
  ],
});

export const QLinearConv = carried('QLinearConv', {
  inputs: ['X', 'x_scale', 'x_zero', 'W', 'w_scale', 'w_zero', 'y_scale', 'y_zero', 'B?'],
  attrs: convAttrs,
  shape: ({ X, W, y_zero }, a, _, scope) => as(y_zero.dtype, convDims(X, W, a, scope)),
  cost: ({ W, Y }) => convMacs(W, Y),
});

export const MatMulInteger = carried('MatMulInteger', {
  inputs: ['A', 'B', 'a_zero?', 'b_zero?'],
  attrs: {},
  shape: ({ A, B }, a, outputs, scope) => as('int32', MatMul.shape({ A, B }, a, outputs, scope)),
  grad: 'none',
  cost: ({ A, Y }) => matMacs(A, Y),
  samples: [
    {
      A: exactly('uint8', [2, 3], [1, 2, 3, 4, 5, 6]),
      B: exactly('uint8', [3, 2], [1, 2, 3, 4, 5, 6]),
      macs: 2 * 2 * 3,
    },
  ],
});

export const QLinearMatMul = carried('QLinearMatMul', {
  inputs: ['A', 'a_scale', 'a_zero', 'B', 'b_scale', 'b_zero', 'y_scale', 'y_zero'],
  attrs: {},
  shape: ({ A, B, y_zero }, a, outputs, scope) => as(y_zero.dtype, MatMul.shape({ A, B }, a, outputs, scope)),
  cost: ({ A, Y }) => matMacs(A, Y),
});

// scale = (max(0, x) − min(0, x)) / 255 of what is in the tensor; the straight-through slope is that of the float
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
  samples: [{ X: exactly('float32', [3], [0, 2, -1]), outputs: 3 }],
});
