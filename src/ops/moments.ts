/** Means and variances over axes, in the order of summing that the engine runs fastest. */

import { count } from './answer.ts';
import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';

/** The mean over axes, those kept as 1. Places first, then samples: the first reduction is contiguous and vectorised. */
export function meanOver(x: StaticValue, axes: readonly number[], g: Builder): StaticValue {
  const many = axes.reduce((n, axis) => n * x.dims[axis]!, 1);
  const outer = axes.filter((axis) => axis === 0);
  const inner = axes.filter((axis) => axis !== 0);
  const isSplit = outer.length > 0 && inner.length > 0;
  if (!isSplit) return g.Mul(g.ReduceSum(x, [...axes]), 1 / many);
  const [n, channels, ...rest] = x.dims as [number, number, ...number[]];
  const sums = g.ReduceSum(g.ReduceSum(g.reshape(x, [n, channels, count(rest)]), [2], { keepdims: 0 }), [0], {
    keepdims: 0,
  });
  return g.reshape(g.Mul(sums, 1 / many), [1, channels, ...rest.map(() => 1)]);
}

/** Mean, centred values and biased variance over axes, those kept as 1. */
export const statistics = (X: StaticValue, axes: readonly number[], g: Builder) => {
  const mean = meanOver(X, axes, g);
  const centred = g.Sub(X, mean);
  return { mean, centred, variance: meanOver(g.Mul(centred, centred), axes, g) };
};

/** A vector [C] laid along axis 1 of a tensor of this rank. */
export const alongChannels = (v: StaticValue, rank: number, g: Builder): StaticValue =>
  g.reshape(v, [v.dims[0]!, ...new Array<number>(rank - 2).fill(1)]);
