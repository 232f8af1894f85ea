/** Reading elements by their places. */

import { count, fromFront, knownInts, noMacs, zerosOf } from './answer.ts';
import { tie } from './link.ts';
import { flatPlaces } from './nd.ts';
import { int, op } from './op.ts';
import { exactly } from './sample.ts';

export const Gather = op({
  type: 'Gather',
  inputs: ['X', 'indices'],
  attrs: { axis: int(0) },
  shape: ({ X, indices }, { axis }) => {
    const at = fromFront(axis, X.dims.length);
    const dims = [...X.dims.slice(0, at), ...indices.dims, ...X.dims.slice(at + 1)];
    const picked = knownInts(indices);
    const isVector = X.ints && X.dims.length === 1 && picked;
    return {
      dims,
      dtype: X.dtype,
      ints: isVector ? picked.map((i) => X.ints![fromFront(i, X.ints!.length)] ?? null) : undefined,
    };
  },
  // A known run of places is put back by a border of zeros. ScatterElements adds exactly; ScatterND races on repeated indices.
  grad: ({ X, indices, dY }, { axis }, g) => {
    const at = fromFront(axis, X.dims.length);
    const size = X.dims[at]!;
    const dims = [...X.dims.slice(0, at), count(indices.dims), ...X.dims.slice(at + 1)];
    const picked = knownInts(indices)?.map((i) => fromFront(i, size));
    if (picked?.every((place, i) => place === picked[0]! + i)) {
      const border = (width: number): number[] => dims.map((_, i) => (i === at ? width : 0));
      const pads = [...border(picked[0]!), ...border(size - picked[0]! - picked.length)];
      const slope = g.reshape(dY, dims);
      return { X: pads.every((pad) => pad === 0) ? slope : g.Pad(slope, pads) };
    }
    const view = dims.map((dim, i) => (i === at ? dim : 1));
    const places = g.Expand(g.reshape(indices, view), dims);
    return { X: g.ScatterElements(zerosOf(X.dims, g), places, g.reshape(dY, dims), { axis: at, reduction: 'add' }) };
  },
  couple: ({ X, indices, Y }, { axis }) => {
    const at = fromFront(axis, X.length);
    return [
      ...X.flatMap((a, i) =>
        i === at ? [] : [tie(Y[i < at ? i : i + indices.length - 1]!, a, 'a column of the table')],
      ),
      ...indices.map((a, i) => tie(Y[at + i]!, a)),
    ];
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [5, 3], indices: exactly('int64', [2, 2], [0, 4, 4, 1]) },
    { X: [2, 5], indices: exactly('int64', [3], [0, -1, 2]), attrs: { axis: 1 } },
    { X: [3, 2], indices: exactly('int64', [], [1]) },
    { X: [2, 5, 2], indices: exactly('int64', [2], [-3, -2]), attrs: { axis: 1 } },
  ],
});

export const GatherElements = op({
  type: 'GatherElements',
  inputs: ['X', 'indices'],
  attrs: { axis: int(0) },
  shape: ({ X, indices }) => ({ dims: indices.dims, dtype: X.dtype }),
  grad: ({ X, indices, dY }, { axis }, g) => {
    return { X: g.ScatterElements(zerosOf(X.dims, g), indices, dY, { axis, reduction: 'add' }) };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [3, 3], indices: exactly('int64', [2, 3], [0, 1, 2, 2, 0, 1]) }],
});

/** Slices of X named by the tuples along the last axis of `indices`. */
export const GatherND = op({
  type: 'GatherND',
  inputs: ['X', 'indices'],
  attrs: { batch_dims: int(0) },
  shape: ({ X, indices }, { batch_dims }) => {
    const width = indices.dims[indices.dims.length - 1];
    return typeof width === 'number'
      ? { dims: [...indices.dims.slice(0, -1), ...X.dims.slice(batch_dims + width)], dtype: X.dtype }
      : null;
  },
  grad: ({ X, indices, dY }, { batch_dims }, g) => {
    const { places, flat } = flatPlaces(X.dims, indices, batch_dims, g);
    const dims = [places.dims[0]!, flat[1]];
    const scattered = g.ScatterElements(zerosOf(flat, g), g.Expand(places, dims), g.reshape(dY, dims), {
      axis: 0,
      reduction: 'add',
    });
    return { X: g.reshape(scattered, X.dims) };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 3], indices: exactly('int64', [3, 2], [0, 0, 1, 2, 1, -1]) },
    { X: [3, 2, 2], indices: exactly('int64', [2, 1], [2, 0]) },
    { X: [2, 3, 2], indices: exactly('int64', [2, 1], [1, 0]), attrs: { batch_dims: 1 } },
  ],
});
