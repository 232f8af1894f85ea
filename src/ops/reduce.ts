/** Reductions over axes. */

import { plus, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { axesFromFront, wereAttributes } from './history.ts';
import { type Axis, free, type Link, mixes, tie } from './link.ts';
import { int, op, type Row, type StaticValue, type Value } from './op.ts';
import { intVector, positive } from './sample.ts';

/** The axes that are reduced, counted from the front; undefined when they are not known. */
function axesOf(X: Pick<Value, 'dims'>, axes: Value | undefined, noop: number): number[] | undefined {
  const rank = X.dims.length;
  if (axes && !axes.ints) return undefined;
  if (!axes || axes.ints!.length === 0) return noop ? [] : X.dims.map((_, i) => i);
  return axes.ints!.map((axis) => ((axis as number) + rank) % rank);
}

const reducedDims = (dims: readonly Dim[], axes: readonly number[], keep: number): Dim[] =>
  dims.flatMap((dim, i) => (axes.includes(i) ? (keep ? [1] : []) : [dim]));

type ReduceGrad = (v: { X: StaticValue; Y: StaticValue; dY: StaticValue; count: number }, g: Builder) => StaticValue;

interface ReduceOptions {
  /** The last opset whose form had an attribute for the axes. */
  attributeUntil?: number;
  samples?: readonly import('./sample.ts').Sample[];
  /** Is the result of a cut network that of the masked one? True for sums: a zero adds nothing. */
  ignoresZeros?: boolean;
  /** Known elements of a whole vector reduced to one. */
  ints?: (a: Dim, b: Dim) => Dim;
}

/** Y and dY reach `grad` with the reduced axes kept as 1, so that they broadcast against X. */
function reduction(
  type: string,
  grad: 'none' | ReduceGrad,
  { attributeUntil = 17, samples, ignoresZeros = false, ints }: ReduceOptions = {},
): Row {
  return op({
    type,
    inputs: ['X', 'axes?'],
    attrs: { keepdims: int(1), noop_with_empty_axes: int(0) },
    shape: ({ X, axes }, { keepdims, noop_with_empty_axes }) => {
      const known = axesOf(X, axes, noop_with_empty_axes);
      const dims = known ? reducedDims(X.dims, known, keepdims) : keepdims ? X.dims.map(() => null) : null;
      // Products and sums of known sizes are how exporters compute element counts.
      const all = ints && X.ints && known?.length === X.dims.length ? [X.ints.reduce(ints)] : undefined;
      return dims && { dims, dtype: X.dtype, ints: all };
    },
    grad:
      grad === 'none'
        ? 'none'
        : ({ X, axes, Y, dY }, { noop_with_empty_axes }, g) => {
            const known = axesOf(X, axes, noop_with_empty_axes) ?? [];
            const kept = reducedDims(X.dims, known, 1) as number[];
            const count = known.reduce((n, axis) => n * X.dims[axis]!, 1);
            return { X: grad({ X, Y: g.reshape(Y, kept), dY: g.reshape(dY, kept), count }, g) };
          },
    couple: ({ X, Y }, { keepdims, noop_with_empty_axes }, values) => {
      const known = axesOf(values.X, values.axes, noop_with_empty_axes);
      return known ? reduceLinks(X, Y, known, keepdims, ignoresZeros, type) : [];
    },
    cost: noMacs,
    quant: 'float',
    samples: samples ?? [
      { X: [2, 3, 4], axes: intVector(1) },
      { X: [2, 3, 4], axes: intVector(0, -1), attrs: { keepdims: 0 } },
      { X: [2, 3] },
    ],
    history: [axesFromFront('axes'), wereAttributes(attributeUntil, { name: 'axes', at: 1, kind: 'ints' })],
  });
}

function reduceLinks(
  X: readonly Axis[],
  Y: readonly Axis[],
  axes: readonly number[],
  keep: number,
  sums: boolean,
  type: string,
): Link[] {
  let at = 0;
  return X.flatMap((axis, i) => {
    if (axes.includes(i)) {
      const gone = sums ? free(axis) : mixes(axis, `${type} reduces over it`);
      return keep ? [gone, free(Y[at++]!)] : [gone];
    }
    return [tie(Y[at++]!, axis)];
  });
}

export const ReduceSum = reduction('ReduceSum', ({ X, dY }, g) => g.Expand(dY, [...X.dims]), {
  attributeUntil: 12,
  ignoresZeros: true,
  ints: plus,
});
export const ReduceMean = reduction('ReduceMean', ({ X, dY, count }, g) => g.Expand(g.Mul(dY, 1 / count), [...X.dims]));
/** Elements that tie for the extreme share its slope. */
const extreme: ReduceGrad = ({ X, Y, dY }, g) => {
  const isExtreme = g.Cast(g.Equal(X, Y), { to: 1 });
  const axes = X.dims.flatMap((dim, i) => (dY.dims[i] === dim ? [] : [i]));
  const count = axes.length === 0 ? isExtreme : g.ReduceSum(isExtreme, axes);
  return g.Mul(isExtreme, g.Div(dY, count));
};
const ofNumbers =
  (f: (...x: number[]) => number) =>
  (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : a === b ? a : null;
export const ReduceMax = reduction('ReduceMax', extreme, { ints: ofNumbers(Math.max) });
export const ReduceMin = reduction('ReduceMin', extreme, { ints: ofNumbers(Math.min) });
export const ReduceProd = reduction('ReduceProd', ({ X, Y, dY }, g) => g.Div(g.Mul(dY, Y), X), { ints: times });
export const ReduceL1 = reduction('ReduceL1', ({ X, dY }, g) => g.Mul(g.Sign(X), dY), { ignoresZeros: true });
export const ReduceL2 = reduction('ReduceL2', ({ X, Y, dY }, g) => g.Mul(X, g.Div(dY, g.Max(Y, 1e-20))), {
  ignoresZeros: true,
});
export const ReduceSumSquare = reduction('ReduceSumSquare', ({ X, dY }, g) => g.Mul(X, g.Mul(dY, 2)), {
  ignoresZeros: true,
});
export const ReduceLogSum = reduction('ReduceLogSum', ({ Y, dY, X }, g) => g.Expand(g.Div(dY, g.Exp(Y)), [...X.dims]), {
  samples: [{ X: positive(2, 3), axes: intVector(1) }],
});
export const ReduceLogSumExp = reduction('ReduceLogSumExp', ({ X, Y, dY }, g) => g.Mul(dY, g.Exp(g.Sub(X, Y))));

const argument = (type: string) =>
  op({
    type,
    inputs: ['X'],
    attrs: { axis: int(0), keepdims: int(1), select_last_index: int(0) },
    shape: ({ X }, { axis, keepdims }) => ({
      dims: reducedDims(X.dims, [(axis + X.dims.length) % X.dims.length], keepdims),
      dtype: 'int64' as const,
    }),
    grad: 'none',
    couple: 'none',
    cost: noMacs,
    quant: 'float',
    samples: [
      { X: [2, 5], attrs: { axis: 1 } },
      { X: [2, 5], attrs: { axis: -1, keepdims: 0 } },
    ],
    history: [axesFromFront('axis')],
  });
export const ArgMax = argument('ArgMax');
export const ArgMin = argument('ArgMin');
