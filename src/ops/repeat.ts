/** Repeating elements along axes. */

import { broadcast, isStatic, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { knownInts, noMacs } from './answer.ts';
import { adjust, free, type Kept, tie, tieBroadcast } from './link.ts';
import { misfit } from './misfit.ts';
import { op } from './op.ts';
import { intVector } from './sample.ts';

export const Expand = op({
  type: 'Expand',
  inputs: ['X', 'shape'],
  attrs: {},
  shape: ({ X, shape }) => {
    const rank = shape.dims[0];
    if (!shape.ints) return typeof rank === 'number' && rank >= X.dims.length ? new Array<Dim>(rank).fill(null) : null;
    const dims = broadcast(X.dims, shape.ints);
    if (!dims) throw misfit('Expand', `the input cannot be stretched to [${shape.ints.join(', ')}]`, { X });
    return {
      dims,
      dtype: X.dtype,
      ints:
        X.ints?.length === 1 && isStatic(dims) && dims.length === 1
          ? new Array<Dim>(dims[0]!).fill(X.ints[0]!)
          : undefined,
    };
  },
  grad: ({ X, dY }, _, g) => ({ X: g.sumTo(dY, X.dims) }),
  couple: ({ X, Y }, _, { shape }) => {
    const wanted = shape.ints;
    if (!wanted) return [];
    const ahead = Y.length - wanted.length;
    const changed = (kept: Kept): Map<number, number> =>
      new Map(
        wanted.flatMap((_dim, i): [number, number][] => {
          const axis = Y[ahead + i]!;
          const left = kept(axis).length;
          return left === axis.size ? [] : [[i, left]];
        }),
      );
    const stretched = Y.slice(0, Y.length - X.length).concat(
      Y.slice(-X.length).filter(({ size }, i) => size !== X[i]!.size),
    );
    return [...tieBroadcast(Y, X), ...stretched.map(free), adjust((kept) => ({ entries: { shape: changed(kept) } }))];
  },
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [3, 1], shape: intVector(2, 3, 4) },
    { X: [2, 3], shape: intVector(1) },
  ],
});

export const Tile = op({
  type: 'Tile',
  inputs: ['X', 'repeats'],
  attrs: {},
  shape: ({ X, repeats }) =>
    repeats.ints ? X.dims.map((dim, i) => times(dim, repeats.ints![i]!)) : X.dims.map(() => null),
  grad: ({ X, repeats, dY }, _, g) => {
    const times = knownInts(repeats)!;
    const split = g.reshape(
      dY,
      X.dims.flatMap((dim, i) => [times[i]!, dim]),
    );
    return {
      X: g.reshape(
        g.ReduceSum(
          split,
          X.dims.map((__, i) => 2 * i),
          { keepdims: 0 },
        ),
        X.dims,
      ),
    };
  },
  couple: ({ X, Y }, _, { repeats }) =>
    (knownInts(repeats) ?? []).flatMap((times, i) => (times === 1 ? [tie(Y[i]!, X[i]!)] : [])),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3], repeats: intVector(2, 3) }],
});
