/** Integers and back. The slope is the straight-through estimate: 1 inside the range, 0 outside. */

import { type DType, dtypeOf, limitsOf } from '../graph/dtype.ts';
import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { without } from './history.ts';
import { type Axis, type Link, tie } from './link.ts';
import { type History, int, op, type StaticValue, type Value } from './op.ts';
import { exactly } from './sample.ts';

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

/** dX = dY / s inside the range, 0 outside it: the straight-through estimate. */
const roundingSlope = (
  {
    X,
    scale,
    zero,
    dY,
  }: Readonly<Record<'X' | 'scale' | 'dY', StaticValue>> & { readonly zero: StaticValue | undefined },
  { axis, limits: [low, high] }: { axis: number; limits: readonly [number, number] },
  g: Builder,
) => {
  const s = along(scale, axis, X.dims.length, g);
  const z = zero ? along(g.Cast(zero, { to: 1 }), axis, X.dims.length, g) : 0;
  const steps = g.Add(g.Div(X, s), z);
  const inside = g.And(g.GreaterOrEqual(steps, low - 0.5), g.LessOrEqual(steps, high + 0.5));
  return { X: g.Mul(g.Div(dY, s), g.Cast(inside, { to: 1 })) };
};

/** Whole steps of `scale`, counted from a zero point and held as floats: what QuantizeLinear stores as integers. */
export const RoundToSteps = op({
  type: 'RoundToSteps',
  domain: 'pare',
  inputs: ['X', 'scale', 'zero?'],
  attrs: { axis: int(1), low: int(0), high: int(255) },
  shape: ({ X }) => X.dims,
  grad: (values, { axis, low, high }, g) => roundingSlope(values, { axis, limits: [low, high] }, g),
  decompose: ({ X, scale, zero }, { axis, low, high }, g) => {
    const steps = g.Round(g.Div(X, along(scale, axis, X.dims.length, g)));
    const shifted = zero ? g.Add(steps, along(g.Cast(zero, { to: 1 }), axis, X.dims.length, g)) : steps;
    return [g.Clip(shifted, low, high)];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
});

/** Up to opset 12 a tensor had one scale. */
const oneScale: History = {
  until: 12,
  old: (node, make) => {
    const dims = make.dims(node.inputs[1]!);
    return dims?.every((dim) => dim === 1) ? without(node, 'axis') : 'it has a scale for each channel';
  },
};

const storedAs = (zero: Value | undefined, output_dtype: number): DType =>
  zero?.dtype ?? (output_dtype ? dtypeOf(output_dtype) : undefined) ?? 'uint8';

// y = clamp(round(x / s) + z); halves go to even
export const QuantizeLinear = op({
  type: 'QuantizeLinear',
  inputs: ['X', 'scale', 'zero?'],
  attrs: { axis: int(1), block_size: int(0), output_dtype: int(0), saturate: int(1), precision: int(0) },
  shape: ({ X, zero }, { output_dtype }) => ({
    dims: X.dims,
    dtype: storedAs(zero, output_dtype),
  }),
  grad: ({ Y, ...values }, { axis }, g) => roundingSlope(values, { axis, limits: limitsOf(Y.dtype) ?? [0, 255] }, g),
  rounded: ({ X, scale, zero }, { axis, block_size, output_dtype }, g) => {
    const limits = limitsOf(storedAs(zero, output_dtype));
    if (!limits || block_size > 0) return undefined;
    return g.emit('RoundToSteps', [X, scale, zero], { axis, low: limits[0], high: limits[1] }, { domain: 'pare' });
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
  history: [oneScale],
});

// y = (x − z) · s
export const DequantizeLinear = op({
  type: 'DequantizeLinear',
  inputs: ['X', 'scale', 'zero?'],
  attrs: { axis: int(1), block_size: int(0), output_dtype: int(0) },
  shape: ({ X, scale }) => ({ dims: X.dims, dtype: scale.dtype }),
  grad: ({ X, scale, dY }, { axis }, g) => ({ X: g.Mul(dY, along(scale, axis, X.dims.length, g)) }),
  held: ({ X, scale, zero }, { axis, block_size }, g) => {
    if (block_size > 0) return undefined;
    const rank = X.dims.length;
    const steps = zero ? g.Sub(X, along(g.Cast(zero, { to: 1 }), axis, rank, g)) : X;
    return [g.Mul(steps, along(scale, axis, rank, g))];
  },
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
  history: [oneScale],
});
