/** The same elements under other dimensions. */

import { internal } from '../base/error.ts';
import { over, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { fromFront, knownInts, noMacs, rearranged } from './answer.ts';
import { unary } from './element-wise.ts';
import { axesFromFront, wereAttributes } from './history.ts';
import { type Axis, adjust, free, type Kept, type Link, tie } from './link.ts';
import { misfit } from './misfit.ts';
import { type History, int, ints, op, type Value } from './op.ts';
import { reshapeLinks } from './reshape-links.ts';
import { intVector } from './sample.ts';

export const Identity = unary('Identity', ({ dY }) => dY, { quant: 'passes', ints: (x) => x });

/** The dimensions that a shape vector asks for: 0 copies, −1 takes what remains. */
function reshaped(X: Value, wanted: readonly Dim[], allowZero: number): Dim[] {
  const dims = wanted.map((dim, i) => (dim === 0 && !allowZero ? (X.dims[i] ?? null) : dim));
  const open = dims.indexOf(-1);
  if (open < 0) return dims;
  const rest = times(...dims.filter((_, i) => i !== open));
  dims[open] = rest === 0 ? 0 : over(times(...X.dims), rest);
  return dims;
}

/** The shape vector after a cut: symbols stay open, numbers follow what was kept. */
function reshapeAfterCut(wanted: readonly Dim[], Y: readonly Axis[], X: Value, kept: Kept): readonly number[] {
  let open = wanted.some((dim) => dim === -1);
  return Y.map((axis, i) => {
    const dim = wanted[i]!;
    if (dim === -1 || dim === 0) return dim;
    if (typeof dim === 'number') return kept(axis).length;
    if (X.dims[i] === dim) return 0;
    if (open) throw internal('a reshape with two open dimensions');
    open = true;
    return -1;
  });
}

const canReopen = (wanted: readonly Dim[], X: Value): boolean =>
  wanted.filter((dim, i) => dim === -1 || dim === null || (typeof dim === 'string' && X.dims[i] !== dim)).length <= 1;

/** Where several dimensions are only known at run time: numbers that a cut changes, and −1 for a length such as "4*N". */
function patchAfterCut(wanted: readonly Dim[], Y: readonly Axis[], kept: Kept): Map<number, number> {
  const changed = Y.flatMap((axis, i): [number, number][] => {
    const dim = wanted[i]!;
    const count = kept(axis).length;
    if (dim === -1 || dim === 0 || count === axis.size) return [];
    return [[i, typeof dim === 'number' ? count : -1]];
  });
  return new Map(changed);
}

/** A symbol alone is never cut; a multiple of one may be, and takes the only −1 there can be. */
const canPatch = (wanted: readonly Dim[]): boolean =>
  wanted.filter((dim) => dim === -1 || (typeof dim === 'string' && /^\d+\*/.test(dim))).length <= 1;

export const Reshape = op({
  type: 'Reshape',
  inputs: ['X', 'shape'],
  attrs: { allowzero: int(0) },
  shape: ({ X, shape }, { allowzero }) => {
    if (shape.ints) {
      const dims = reshaped(X, shape.ints, allowzero);
      const [from, to] = [times(...X.dims), times(...dims)];
      if (typeof from === 'number' && typeof to === 'number' && from !== to) {
        throw misfit('Reshape', `${from} elements cannot become ${to}`, { X, shape: { ...shape, dims } });
      }
      return { dims, dtype: X.dtype, ints: X.ints };
    }
    const rank = shape.dims[0];
    return typeof rank === 'number' ? { dims: new Array<Dim>(rank).fill(null), dtype: X.dtype, ints: X.ints } : null;
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }, { allowzero }, { X: x, shape }) => {
    const wanted = shape.ints;
    if (allowzero && wanted?.includes(0)) return [];
    if (wanted && canReopen(wanted, x)) {
      const change = (kept: Kept) => ({
        ints: { shape: reshapeAfterCut(wanted, Y, x, kept) },
        attrs: { allowzero: undefined },
      });
      return [...reshapeLinks(X, Y), adjust(change)];
    }
    if (wanted && canPatch(wanted))
      return [...reshapeLinks(X, Y), adjust((kept) => ({ entries: { shape: patchAfterCut(wanted, Y, kept) } }))];
    return [];
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 3, 4], shape: intVector(2, 12) },
    { X: [2, 12], shape: intVector(0, 3, -1) },
    { X: [4, 6], shape: intVector(2, 2, 6) },
  ],
});

export const Flatten = op({
  type: 'Flatten',
  inputs: ['X'],
  attrs: { axis: int(1) },
  shape: ({ X }, { axis }) => {
    const at = fromFront(axis, X.dims.length);
    return [times(...X.dims.slice(0, at)), times(...X.dims.slice(at))];
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }) => reshapeLinks(X, Y),
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [2, 3, 4] }, { X: [2, 3, 4], attrs: { axis: 2 } }, { X: [2, 3], attrs: { axis: 0 } }],
  history: [axesFromFront('axis')],
});

export const Transpose = op({
  type: 'Transpose',
  inputs: ['X'],
  attrs: { perm: ints() },
  shape: ({ X }, { perm }) => {
    const order = permutation(perm, X.dims.length);
    const dims = order.map((axis) => X.dims[axis]!);
    return {
      dims,
      dtype: X.dtype,
      ints: rearranged(X, dims, (place) => order.map((_, i) => place[order.indexOf(i)]!)),
    };
  },
  grad: ({ X, dY }, { perm }, g) => {
    const order = permutation(perm, X.dims.length);
    return { X: g.Transpose(dY, { perm: order.map((_, i) => order.indexOf(i)) }) };
  },
  couple: ({ X, Y }, { perm }) => permutation(perm, X.length).map((axis, i) => tie(Y[i]!, X[axis]!, 'axis moved')),
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [2, 3] }, { X: [2, 3, 4], attrs: { perm: [2, 0, 1] } }],
});

const permutation = (perm: readonly number[] | undefined, rank: number): readonly number[] =>
  perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);

/** Up to opset 10 axes were counted from the front only: here that of the result. */
const axesCountedInResult: History = {
  until: 10,
  old: (node, make) => {
    const [axes, rank] = [node.attrs['axes'], make.rank(node.inputs[0]!)];
    if (axes?.kind !== 'ints' || axes.value.every((axis) => axis >= 0)) return node;
    if (rank === undefined) return 'the rank is unknown from whose end it counts';
    const value = axes.value.map((axis) => fromFront(axis, rank + axes.value.length));
    return { ...node, attrs: { ...node.attrs, axes: { kind: 'ints', value } } };
  },
};

const axesWereAttribute = wereAttributes(12, { name: 'axes', at: 1, kind: 'ints' });

const carried = (X: readonly Axis[], Y: readonly Axis[]): Link[] => {
  const wide = Y.filter(({ size }) => size !== 1);
  return [
    ...X.filter(({ size }) => size !== 1).map((axis, i) => tie(wide[i]!, axis)),
    ...[...X, ...Y].filter(({ size }) => size === 1).map(free),
  ];
};

export const Squeeze = op({
  type: 'Squeeze',
  inputs: ['X', 'axes?'],
  attrs: {},
  shape: ({ X, axes }) => {
    const list = axes ? knownInts(axes) : X.dims.flatMap((dim, i) => (dim === 1 ? [i] : []));
    if (!list) return null;
    const gone = list.map((axis) => fromFront(axis, X.dims.length));
    return { dims: X.dims.filter((_, i) => !gone.includes(i)), dtype: X.dtype, ints: X.ints };
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  // Without axes it drops every axis of size 1: one that becomes so by a cut has to stay.
  couple: ({ X, axes, Y }) => [
    ...carried(X, Y),
    ...(axes ? [] : [adjust(() => ({ ints: { axes: X.flatMap(({ size }, i) => (size === 1 ? [i] : [])) } }))]),
  ],
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [2, 1, 3], axes: intVector(1) }, { X: [1, 2, 1] }],
  history: [axesFromFront('axes'), axesWereAttribute],
});

export const Unsqueeze = op({
  type: 'Unsqueeze',
  inputs: ['X', 'axes'],
  attrs: {},
  shape: ({ X, axes }) => {
    const list = knownInts(axes);
    if (!list) return null;
    const rank = X.dims.length + list.length;
    const fresh = list.map((axis) => fromFront(axis, rank));
    let at = 0;
    return {
      dims: Array.from({ length: rank }, (_, i) => (fresh.includes(i) ? 1 : X.dims[at++]!)),
      dtype: X.dtype,
      ints: X.ints,
    };
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }) => carried(X, Y),
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 3], axes: intVector(0, 3) },
    { X: [2], axes: intVector(-1) },
  ],
  history: [axesCountedInResult, axesWereAttribute],
});
