/**
 * Places in several axes at once, as one number in a flattened tensor.
 *
 *   X [batch..., d₁ … d_k, rest...],  a place (i₁ … i_k)  →  i₁·(d₂⋯d_k) + … + i_k
 */

import { count } from './answer.ts';
import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';

export interface FlatPlaces {
  /** [rows, 1]: the row of the flat tensor that each tuple names. */
  readonly places: StaticValue;
  /** [all rows, elements per row]: X's dimensions as rows. */
  readonly flat: readonly [number, number];
}

/** The tuples along the last axis of `indices` as rows of X; the first `batchDims` axes of both run side by side. */
export function flatPlaces(dims: readonly number[], indices: StaticValue, batchDims: number, g: Builder): FlatPlaces {
  const width = indices.dims[indices.dims.length - 1]!;
  const named = dims.slice(batchDims, batchDims + width);
  const batch = count(dims.slice(0, batchDims));
  const perBatch = count(named);
  const tuples = count(indices.dims) / (batch * width);
  // Negative places count from the end.
  const sizes = g.ints(named);
  const wrapped = g.Mod(g.Add(indices, sizes), sizes);
  const strides = g.ints(named.map((_, i) => count(named.slice(i + 1))));
  const rows = g.reshape(g.ReduceSum(g.Mul(wrapped, strides), [-1], { keepdims: 0 }), [batch, tuples]);
  const starts = g.reshape(g.ints(Array.from({ length: batch }, (_, b) => b * perBatch)), [batch, 1]);
  return {
    places: g.reshape(batch > 1 ? g.Add(rows, starts) : rows, [batch * tuples, 1]),
    flat: [batch * perBatch, count(dims.slice(batchDims + width))],
  };
}
