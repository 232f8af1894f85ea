/** Integers and back. The slope is the straight-through estimate: 1 inside the range, 0 outside. */

import { type DType, dtypeOf } from '../graph/dtype.ts';
import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { type Axis, type Link, tie } from './link.ts';
import { int, op, type StaticValue } from './op.ts';
import { exactly } from './sample.ts';

const LIMITS: Partial<Record<DType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  int4: [-8, 7],
  uint4: [0, 15],
};

/** A per-channel vector laid along `axis` of a tensor of this rank; a scalar stays. */
const along = (v: StaticValue, axis: number, rank: number, g: Builder): StaticValue =>
  v.dims.length === 0 || v.dims[0] === 1
    ? v
    : g.reshape(
        v,
        Array.from({ length: rank }, (_, i) => (i === (axis + rank) % rank ? v.dims[0]! : 1)),
      );

const links = (
  X: readonly Axis[],
  Y: readonly Axis[],
  scale: readonly Axis[],
  zero: readonly Axis[] | undefined,
  axis: number,
): Link[] => {
  const channel = X[(axis + X.length) % X.length];
  const perChannel = [scale, zero].flatMap((v) =>
    v?.[0] && channel && v.length === 1 && v[0].size === channel.size && channel.size > 1
      ? [tie(channel, v[0], 'a scale per channel')]
      : [],
  );
  return [...X.map((a, i) => tie(Y[i]!, a)), ...perChannel];
};

// y = clamp(round(x / s) + z); halves go to even
export const QuantizeLinear = op({
  type: 'QuantizeLinear',
  inputs: ['X', 'scale', 'zero?'],
  attrs: { axis: int(1), block_size: int(0), output_dtype: int(0), saturate: int(1), precision: int(0) },
  shape: ({ X, zero }, { output_dtype }) => ({
    dims: X.dims,
    dtype: zero?.dtype ?? (output_dtype ? dtypeOf(output_dtype) : undefined) ?? 'uint8',
  }),
  grad: ({ X, scale, zero, Y, dY }, { axis }, g) => {
    const [low, high] = LIMITS[Y.dtype] ?? [0, 255];
    const s = along(scale, axis, X.dims.length, g);
    const z = zero ? along(g.Cast(zero, { to: 1 }), axis, X.dims.length, g) : 0;
    const steps = g.Add(g.Div(X, s), z);
    const inside = g.And(g.GreaterOrEqual(steps, low - 0.5), g.LessOrEqual(steps, high + 0.5));
    return { X: g.Mul(g.Div(dY, s), g.Cast(inside, { to: 1 })) };
  },
  couple: ({ X, scale, zero, Y }, { axis }) => links(X, Y, scale, zero, axis),
  cost: noMacs,
  quant: 'passes',
  samples: [
    {
      X: exactly('float32', [4], [0.1, -3, 2.5, 99]),
      scale: exactly('float32', [], [0.5]),
      zero: exactly('uint8', [], [10]),
    },
    {
      X: exactly('float32', [2, 2], [0.1, -3, 2.5, 9]),
      scale: exactly('float32', [2], [0.5, 0.25]),
      zero: exactly('int8', [2], [0, 0]),
      attrs: { axis: 0 },
    },
  ],
});

// y = (x − z) · s
export const DequantizeLinear = op({
  type: 'DequantizeLinear',
  inputs: ['X', 'scale', 'zero?'],
  attrs: { axis: int(1), block_size: int(0), output_dtype: int(0) },
  shape: ({ X, scale }) => ({ dims: X.dims, dtype: scale.dtype }),
  grad: ({ X, scale, dY }, { axis }, g) => ({ X: g.Mul(dY, along(scale, axis, X.dims.length, g)) }),
  couple: ({ X, scale, zero, Y }, { axis }) => links(X, Y, scale, zero, axis),
  cost: noMacs,
  quant: 'passes',
  samples: [
    {
      X: exactly('uint8', [4], [0, 10, 200, 255]),
      scale: exactly('float32', [], [0.5]),
      zero: exactly('uint8', [], [10]),
    },
    { X: exactly('int8', [2, 2], [0, -10, 20, 127]), scale: exactly('float32', [2], [0.5, 0.1]), attrs: { axis: 0 } },
  ],
});
