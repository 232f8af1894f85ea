/** Makers of element-wise rows: one input or two, numpy broadcasting, no multiply-accumulates. */

import { broadcast, times } from '../graph/dim.ts';
import { type DType, isFloat } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { tieBroadcast } from './link.ts';
import { misfit } from './misfit.ts';
import { type AttrSpecs, type AttrsOf, op, type QuantSpec, type Row, type StaticValue, type Value } from './op.ts';
import type { Sample } from './sample.ts';

type UnaryGrad<A extends AttrSpecs> =
  | 'none'
  | ((v: { X: StaticValue; Y: StaticValue; dY: StaticValue }, attrs: AttrsOf<A>, g: Builder) => StaticValue);

interface UnaryOptions<A extends AttrSpecs> {
  attrs?: A;
  samples?: readonly Sample[];
  quant?: QuantSpec<'X', A>;
  /** dtype of the output, where it is not the input's. */
  dtype?: DType;
  /** What it does to known integers. */
  ints?: (x: Dim) => Dim;
  domain?: string;
  since?: number;
  history?: Row['history'];
}

/** y = f(x), element by element. `grad` gives dX from X, Y and dY. */
export function unary<const A extends AttrSpecs = Record<never, never>>(
  type: string,
  grad: UnaryGrad<A>,
  {
    attrs,
    samples = [{ X: [2, 3] }, { X: [2, 3, 4, 4] }],
    quant = 'float',
    dtype,
    ints,
    domain,
    since,
    history,
  }: UnaryOptions<A> = {},
): Row {
  return op({
    type,
    ...(domain !== undefined && { domain }),
    ...(since !== undefined && { since }),
    inputs: ['X'],
    attrs: (attrs ?? {}) as A,
    shape: ({ X }) => ({ dims: X.dims, dtype: dtype ?? X.dtype, ...(ints && X.ints && { ints: X.ints.map(ints) }) }),
    grad: grad === 'none' ? 'none' : (v, a, g) => ({ X: grad(v as never, a, g) }) as never,
    couple: ({ X, Y }) => tieBroadcast(Y, X),
    cost: noMacs,
    quant,
    samples,
    ...(history && { history }),
  });
}

type BinaryGrad = (
  v: { A: StaticValue; B: StaticValue; Y: StaticValue; dY: StaticValue },
  g: Builder,
) => { A: StaticValue; B: StaticValue };

interface BinaryOptions {
  attrs?: AttrSpecs;
  samples?: readonly Sample[];
  quant?: QuantSpec<'A' | 'B', AttrSpecs>;
  dtype?: DType;
  ints?: (a: Dim, b: Dim) => Dim;
  /** The same for float operands, where it differs. */
  floatInts?: (a: Dim, b: Dim) => Dim;
}

const BROADCASTS: readonly Sample[] = [
  { A: [2, 3], B: [2, 3] },
  { A: [2, 3, 4], B: [3, 1] },
  { A: [1], B: [2, 3] },
  { A: [2, 1, 4], B: [5, 1] },
];

/** y = f(a, b) with numpy broadcasting. `grad` gives slopes of the result's size; they are summed back to each operand's. */
export function binary(
  type: string,
  grad: 'none' | BinaryGrad,
  { attrs = {}, samples = BROADCASTS, quant = 'float', dtype, ints, floatInts = wholeOnly(ints) }: BinaryOptions = {},
): Row {
  return op({
    type,
    inputs: ['A', 'B'],
    attrs,
    shape: ({ A, B }) => {
      const dims = broadcast(A.dims, B.dims);
      if (!dims) throw misfit(type, 'the operands cannot be broadcast to one shape', { A, B });
      const rule = isFloat(A.dtype) ? floatInts : ints;
      return { dims, dtype: dtype ?? A.dtype, ints: rule && pairwise(A, B, dims, rule) };
    },
    grad:
      grad === 'none'
        ? 'none'
        : ({ A, B, Y, dY }, _, g) => {
            const slopes = grad({ A, B, Y, dY }, g);
            return { A: g.sumTo(slopes.A, A.dims), B: g.sumTo(slopes.B, B.dims) };
          },
    couple: ({ A, B, Y }) => [...tieBroadcast(Y, A), ...tieBroadcast(Y, B)],
    cost: noMacs,
    quant,
    samples,
  });
}

type Pairing = (a: Dim, b: Dim) => Dim;

/** Symbols stand for whole numbers; together with a fraction nothing is told. */
const wholeOnly = (ints: Pairing | undefined): Pairing | undefined =>
  ints &&
  ((a, b) => {
    const isMixed = typeof a !== typeof b && [a, b].some((x) => typeof x === 'number' && !Number.isInteger(x));
    return isMixed ? null : ints(a, b);
  });

/** Known elements of two operands combined; one of them may be a single element. */
function pairwise(A: Value, B: Value, dims: readonly Dim[], f: Pairing): readonly Dim[] | undefined {
  if (!A.ints || !B.ints || times(...dims) !== Math.max(A.ints.length, B.ints.length)) return undefined;
  const length = Math.max(A.ints.length, B.ints.length);
  if ((A.ints.length !== length && A.ints.length !== 1) || (B.ints.length !== length && B.ints.length !== 1))
    return undefined;
  return Array.from({ length }, (_, i) =>
    f(A.ints![A.ints!.length === 1 ? 0 : i]!, B.ints![B.ints!.length === 1 ? 0 : i]!),
  );
}
