/** Writing elements to their places. */

import { fromFront, noMacs, placesAlong, zerosOf } from './answer.ts';
import { noSlope } from './misfit.ts';
import { flatPlaces } from './nd.ts';
import { int, op, text } from './op.ts';
import { exactly } from './sample.ts';

export const ScatterElements = op({
  type: 'ScatterElements',
  inputs: ['X', 'indices', 'updates'],
  attrs: { axis: int(0), reduction: text('none') },
  shape: ({ X, indices, updates }, { reduction }) => {
    const known = X.dims.length === 1 && reduction === 'none' && X.ints && indices.ints && updates.ints;
    if (!known) return X.dims;
    const ints = [...X.ints!];
    indices.ints!.forEach((at, i) => {
      ints[(at as number) < 0 ? (at as number) + ints.length : (at as number)] = updates.ints![i]!;
    });
    return { dims: X.dims, dtype: X.dtype, ints };
  },
  grad: ({ indices, dY }, { axis, reduction }, g) => {
    const updates = g.GatherElements(dY, indices, { axis });
    if (reduction === 'add') return { X: dY, updates };
    if (reduction !== 'none') throw noSlope('ScatterElements', `reduction "${reduction}"`);
    return { X: g.ScatterElements(dY, indices, zerosOf(indices.dims, g), { axis }), updates };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [3, 3], indices: exactly('int64', [2, 3], [0, 1, 2, 2, 0, 1]), updates: [2, 3], attrs: { axis: 0 } },
    {
      X: [2, 5],
      indices: exactly('int64', [2, 2], [0, 0, 3, 1]),
      updates: [2, 2],
      attrs: { axis: 1, reduction: 'add' },
    },
  ],
  history: [{ until: 10, old: (node) => ({ ...node, op: 'Scatter' }) }],
});

/** The name of ScatterElements up to opset 10. */
export const Scatter = op({
  type: 'Scatter',
  inputs: ['X', 'indices', 'updates'],
  attrs: { axis: int(0) },
  shape: ({ X }) => X.dims,
  grad: 'missing',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
  history: [{ until: 21, modern: (node) => ({ ...node, op: 'ScatterElements' }), old: (node) => node }],
});

/**
 * Slices written to the places that the tuples along the last axis of `indices` name.
 *
 * While learning, sums go through ScatterElements: the engine's own ScatterND adds with a race between threads.
 */
export const ScatterND = op({
  type: 'ScatterND',
  inputs: ['X', 'indices', 'updates'],
  attrs: { reduction: text('none') },
  shape: ({ X }) => X.dims,
  grad: ({ indices, updates, dY }, { reduction }, g) => {
    if (reduction !== 'none') throw noSlope('ScatterND', `reduction "${reduction}"`);
    return { X: g.ScatterND(dY, indices, zerosOf(updates.dims, g)), updates: g.GatherND(dY, indices) };
  },
  decompose: ({ X, indices, updates }, { reduction }, g) => {
    if (reduction !== 'add') return undefined;
    const { places, flat } = flatPlaces(X.dims, indices, 0, g);
    const dims = [places.dims[0]!, flat[1]];
    const sum = g.ScatterElements(g.reshape(X, flat), g.Expand(places, dims), g.reshape(updates, dims), {
      axis: 0,
      reduction,
    });
    return [g.reshape(sum, X.dims)];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [4, 2], indices: exactly('int64', [2, 1], [3, 0]), updates: [2, 2] },
    { X: [3, 2], indices: exactly('int64', [3, 2], [0, 1, 0, 1, 2, 0]), updates: [3], attrs: { reduction: 'add' } },
  ],
});

/** A cache written at one position per batch element. */
export const TensorScatter = op({
  type: 'TensorScatter',
  since: 24,
  inputs: ['past_cache', 'update', 'write_indices?'],
  attrs: { axis: int(-2), mode: text('linear') },
  shape: ({ past_cache }) => past_cache.dims,
  grad: 'missing',
  decompose: ({ past_cache, update, write_indices }, { axis, mode }, g) => {
    const at = fromFront(axis, past_cache.dims.length);
    const view = (dim: number, axisOf: number) => update.dims.map((_, i) => (i === axisOf ? dim : 1));
    const steps = Array.from({ length: update.dims[at]! }, (_, i) => i);
    const along = placesAlong(view(steps.length, at), steps, g);
    const from = write_indices && g.reshape(write_indices, view(update.dims[0]!, 0));
    const place = from ? g.Add(from, along) : along;
    const turned = mode === 'circular' ? g.Mod(place, past_cache.dims[at]!) : place;
    return [g.ScatterElements(past_cache, g.Expand(turned, [...update.dims]), update, { axis: at })];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { past_cache: [2, 1, 4, 3], update: [2, 1, 2, 3], write_indices: exactly('int64', [2], [1, 0]) },
    {
      past_cache: [2, 3, 2],
      update: [2, 2, 2],
      write_indices: exactly('int64', [2], [2, 1]),
      attrs: { axis: 1, mode: 'circular' },
    },
  ],
});
