/** Rounding to a grid and back in floats: what quantisation does while a network learns. */

import { noMacs } from './answer.ts';
import { type Axis, tie } from './link.ts';
import { int, op, type StaticValue } from './op.ts';

/**
 * Y = round(clip(X / s, least, most)) · s        least and most in steps from 0: the type's limits less its zero point
 *
 *   dX = dY inside the limits, 0 outside                            (the straight-through estimate)
 *   ds = Σ dY · (round(v) − v inside, the limit outside) · r,       v = X / s,  r = 1 / √(n · most), n elements a scale
 *
 * `scale` is a scalar, or a vector along `axis`.
 * Source   Jacob et al. 2018, arXiv:1712.05877; Esser et al. 2020, arXiv:1902.08153 (LSQ: the scale's slope and r).
 */
export const FakeQuantize = op({
  type: 'FakeQuantize',
  domain: 'pare',
  inputs: ['X', 'scale'],
  attrs: { axis: int(0), least: int(-128), most: int(127) },
  shape: ({ X }) => X.dims,
  grad: ({ X, scale, dY }, { axis, least, most }, g) => {
    const steps = g.Div(X, along(scale, axis, X.dims.length, g));
    const clipped = g.Clip(steps, least, most);
    const isInside = g.Cast(g.Equal(steps, clipped), { to: 1 });
    const term = g.Sub(g.Round(clipped), g.Mul(steps, isInside));
    const count = sizeOf(X.dims) / sizeOf(scale.dims);
    const others = X.dims.flatMap((_, i) => (scale.dims.length === 1 && i === axis ? [] : [i]));
    const sum = g.ReduceSum(g.Mul(dY, term), others, { keepdims: 0 });
    const slope = g.Mul(sum, 1 / Math.sqrt(count * Math.max(1, most)));
    return { X: g.Mul(dY, isInside), scale: g.reshape(slope, scale.dims) };
  },
  couple: ({ X, scale, Y }, { axis }) => [
    ...X.map((a: Axis, i: number) => tie(Y[i]!, a)),
    ...(scale.length === 1 ? [tie(X[axis]!, scale[0]!, 'a scale per channel')] : []),
  ],
  cost: noMacs,
  quant: 'float',
  decompose: ({ X, scale }, { axis, least, most }, g) => {
    const s = along(scale, axis, X.dims.length, g);
    return [g.Mul(g.Round(g.Clip(g.Div(X, s), least, most)), s)];
  },
  samples: [],
});

const sizeOf = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);

/** A vector laid along `axis` of a tensor of this rank; a scalar stays. */
const along = (
  scale: StaticValue,
  axis: number,
  rank: number,
  g: { reshape: (x: StaticValue, dims: readonly number[]) => StaticValue },
): StaticValue =>
  scale.dims.length === 0
    ? scale
    : g.reshape(
        scale,
        Array.from({ length: rank }, (_, i) => (i === axis ? scale.dims[0]! : 1)),
      );
