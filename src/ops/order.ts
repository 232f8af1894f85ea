/** Ops that follow the order of elements along an axis: sums so far, the largest, the reversed, the chosen. */

import type { Dim } from '../graph/model.ts';
import { numbers } from '../graph/tensor.ts';
import { count, fromFront, knownInts, noMacs, placesAlong, zerosOf } from './answer.ts';
import { axesFromFront, wereAttributes } from './history.ts';
import type { Axis, Link } from './link.ts';
import { mixes, tie } from './link.ts';
import { int, op, type StaticValue } from './op.ts';
import { exactly, intVector } from './sample.ts';

const allBut = (axis: number | undefined, X: readonly Axis[], Y: readonly Axis[], why: string): Link[] =>
  axis === undefined ? [] : X.map((a, i) => (i === fromFront(axis, X.length) ? mixes(a, why) : tie(Y[i]!, a)));

export const CumSum = op({
  type: 'CumSum',
  inputs: ['X', 'axis'],
  attrs: { exclusive: int(0), reverse: int(0) },
  shape: ({ X }) => X.dims,
  // What an element adds to flows back the other way round.
  grad: ({ axis, dY }, { exclusive, reverse }, g) => ({ X: g.CumSum(dY, axis, { exclusive, reverse: 1 - reverse }) }),
  couple: ({ X, Y }, _, { axis }) => allBut(knownInts(axis)?.[0], X, Y, 'CumSum sums along it'),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 4], axis: exactly('int64', [], [1]) },
    { X: [3, 2], axis: exactly('int64', [], [0]), attrs: { exclusive: 1, reverse: 1 } },
  ],
});

/** Axes along which products are written out. */
const LONGEST = 512;

export const CumProd = op({
  type: 'CumProd',
  since: 26,
  inputs: ['X', 'axis'],
  attrs: { exclusive: int(0), reverse: int(0) },
  shape: ({ X }) => X.dims,
  grad: 'missing', // along very long axes
  // One product after the other: a quotient of sums of logarithms would not stand zeros.
  decompose: ({ X, axis }, { exclusive, reverse }, g) => {
    const at = knownInts(axis)?.[0];
    const length = at === undefined ? undefined : X.dims.at(at);
    if (at === undefined || !length || length > LONGEST) return undefined;
    const slices = g.emit('Split', [X], { axis: at, num_outputs: length }, { outputs: length });
    const inOrder = reverse === 1 ? slices.toReversed() : slices;
    const products: StaticValue[] = exclusive === 1 ? [g.Add(g.Mul(inOrder[0]!, 0), 1)] : [inOrder[0]!];
    for (let i = 1; i < length; i++) products.push(g.Mul(products[i - 1], inOrder[exclusive === 1 ? i - 1 : i]));
    return [g.Concat(...(reverse === 1 ? products.reverse() : products), { axis: at })];
  },
  couple: ({ X, Y }, _, { axis }) => allBut(knownInts(axis)?.[0], X, Y, 'CumProd multiplies along it'),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3], axis: exactly('int64', [], [1]) },
    { X: [3, 2], axis: exactly('int64', [], [0]), attrs: { exclusive: 1, reverse: 1 } },
  ],
});

export const TopK = op({
  type: 'TopK',
  inputs: ['X', 'K'],
  outputs: ['Values', 'Indices'],
  attrs: { axis: int(-1), largest: int(1), sorted: int(1) },
  shape: ({ X, K }, { axis }) => {
    const at = fromFront(axis, X.dims.length);
    const dims = X.dims.map((dim, i): Dim => (i === at ? (K.ints?.[0] ?? null) : dim));
    return [
      { dims, dtype: X.dtype },
      { dims, dtype: 'int64' },
    ];
  },
  grad: ({ X, K, Indices, dValues }, { axis, largest }, g) => {
    const places = Indices ?? g.emit('TopK', [X, K], { axis, largest }, { outputs: 2 })[1]!;
    return { X: g.ScatterElements(zerosOf(X.dims, g), places, dValues, { axis }) };
  },
  couple: ({ X, Values, Indices }, { axis }) =>
    [Values, Indices].flatMap((Y) => (Y ? allBut(axis, X, Y, 'TopK compares along it') : [])),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 5], K: intVector(2), outputs: 2 },
    { X: [4, 3], K: intVector(3), outputs: 2, attrs: { axis: 0, largest: 0 } },
  ],
  history: [wereAttributes(9, { name: 'k', at: 1, kind: 'int', dims: [1] }), axesFromFront('axis')],
});

/** Each sequence of the batch turned round as far as it is long; it is its own inverse, and so is its slope. */
export const ReverseSequence = op({
  type: 'ReverseSequence',
  inputs: ['X', 'sequence_lens'],
  attrs: { batch_axis: int(1), time_axis: int(0) },
  shape: ({ X }) => X.dims,
  grad: ({ sequence_lens, dY }, attrs, g) => ({ X: g.ReverseSequence(dY, sequence_lens, { ...attrs }) }),
  couple: ({ X, sequence_lens, Y }, { batch_axis, time_axis }) => [
    ...allBut(time_axis, X, Y, 'its order is turned round'),
    tie(X[batch_axis]!, sequence_lens[0]!, 'a length per sequence'),
  ],
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [4, 3, 2], sequence_lens: intVector(1, 4, 3) },
    { X: [2, 3], sequence_lens: intVector(2, 3), attrs: { batch_axis: 0, time_axis: 1 } },
  ],
});

/** The positions along an axis (or of the flat tensor) where the condition holds. */
export const Compress = op({
  type: 'Compress',
  inputs: ['X', 'condition'],
  attrs: { axis: int() },
  shape: ({ X, condition }, { axis }) => {
    const many = knownInts(condition)?.filter((x) => x !== 0).length ?? null;
    return axis === undefined ? [many] : X.dims.map((dim, i) => (i === fromFront(axis, X.dims.length) ? many : dim));
  },
  grad: ({ X, condition, dY }, { axis }, g) => {
    const places = (knownInts(condition) ?? numbers(condition.constant!)).flatMap((held, i) => (held ? [i] : []));
    const flat = axis === undefined ? [count(X.dims)] : X.dims;
    const at = axis === undefined ? 0 : fromFront(axis, X.dims.length);
    const view = flat.map((_, i) => (i === at ? places.length : 1));
    const spread = g.Expand(placesAlong(view, places, g), [...dY.dims]);
    return { X: g.reshape(g.ScatterElements(zerosOf(flat, g), spread, dY, { axis: at }), X.dims) };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [3, 2], condition: exactly('bool', [3], [1, 0, 1]), attrs: { axis: 0 } },
    { X: [2, 3], condition: exactly('bool', [5], [0, 1, 0, 0, 1]) },
  ],
});

export const Trilu = op({
  type: 'Trilu',
  inputs: ['X', 'k?'],
  attrs: { upper: int(1) },
  shape: ({ X }) => X.dims,
  grad: ({ k, dY }, { upper }, g) => ({ X: g.Trilu(dY, k, { upper }) }),
  couple: ({ X, Y }) => X.slice(0, -2).map((axis, i) => tie(Y[i]!, axis)),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [3, 4] }, { X: [2, 3, 3], k: exactly('int64', [], [-1]), attrs: { upper: 0 } }],
});

/** How many there are is only known after looking. */
export const NonZero = op({
  type: 'NonZero',
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => {
    const places = X.dims.length <= 1 && knownInts(X)?.flatMap((x, i) => (x ? [i] : []));
    const isVector = places && X.dims.length === 1;
    return {
      dims: [Math.max(1, X.dims.length), places ? places.length : null],
      dtype: 'int64' as const,
      ints: isVector ? places : undefined,
    };
  },
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: exactly('int64', [4], [0, 2, 0, 1]) }],
});

export const Unique = op({
  type: 'Unique',
  inputs: ['X'],
  outputs: ['Y', 'indices?', 'inverse_indices?', 'counts?'],
  attrs: { axis: int(), sorted: int(1) },
  shape: ({ X }, { axis }) => {
    const many = axis === undefined && knownInts(X) ? new Set(knownInts(X)).size : null;
    const at = axis === undefined ? undefined : fromFront(axis, X.dims.length);
    const all =
      at === undefined
        ? X.dims.reduce<Dim>((n, dim) => (typeof n === 'number' && typeof dim === 'number' ? n * dim : null), 1)
        : X.dims[at]!;
    const ints = (dim: Dim) => ({ dims: [dim], dtype: 'int64' as const });
    return [
      { dims: at === undefined ? [many] : X.dims.map((dim, i) => (i === at ? many : dim)), dtype: X.dtype },
      ints(many),
      ints(all),
      ints(many),
    ];
  },
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: exactly('int64', [4], [2, 1, 1, 3]), outputs: 4 }],
});
