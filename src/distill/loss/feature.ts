/** What all losses on inner values share: which value of the student goes with which of the teacher. */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Outcome } from '../../train/loss/loss.ts';

/** Prefix of the teacher's values, in a graph of both and as columns of recorded features. */
export const TEACHER_PREFIX = 'teacher/';

/** Prefix of the values that learnt adapters make of the student's. */
export const ADAPTED = 'adapted/';

export interface Pair {
  /** A value of the student. */
  readonly student: string;
  /** A value of the teacher. */
  readonly teacher: string;
  /** Dimensions of one sample of the teacher's value. */
  readonly dims: readonly number[];
}

/** The two values of a pair; `adapted` takes what the adapter made of the student's. */
export const valuesOf = (
  { student, teacher, dims }: Pair,
  { value, column }: Outcome,
  adapted = false,
): readonly [student: StaticValue, teacher: StaticValue] => [
  value(adapted ? `${ADAPTED}${student}` : student),
  column(`${TEACHER_PREFIX}${teacher}`, 'float32', dims),
];

/** Sum over pairs of a loss on two values. */
export const overPairs =
  (
    pairs: readonly Pair[],
    one: (g: Builder, student: StaticValue, teacher: StaticValue) => StaticValue,
    adapted = false,
  ) =>
  (g: Builder, outcome: Outcome): StaticValue =>
    pairs.map((pair) => one(g, ...valuesOf(pair, outcome, adapted))).reduce((a, b) => g.Add(a, b));

/** [N, ...] as one vector per sample [N, d]. */
export const flat = (g: Builder, x: StaticValue): StaticValue =>
  g.reshape(x, [x.dims[0]!, x.dims.slice(1).reduce((n, dim) => n * dim, 1)]);

/** [N, C, H, W] as its mean over places [N, C]; anything else flattened. */
export const pooled = (g: Builder, x: StaticValue): StaticValue =>
  x.dims.length === 4 ? g.ReduceMean(x, [2, 3], { keepdims: 0 }) : flat(g, x);

/** Rows of [N, d] at length 1. */
export const unitRows = (g: Builder, x: StaticValue, axis = 1): StaticValue =>
  g.Div(x, g.Sqrt(g.Max(g.ReduceSum(g.Mul(x, x), [axis], { keepdims: 1 }), 1e-24)));

/** A Bᵀ, for matrices. */
export const timesTurned = (g: Builder, a: StaticValue, b: StaticValue): StaticValue =>
  g.MatMul(a, g.Transpose(b, { perm: [1, 0] }));

/** Σ of all elements. */
export const total = (g: Builder, x: StaticValue): StaticValue => g.ReduceSum(x, { keepdims: 0 });

/** Mean of all elements. */
export const mean = (g: Builder, x: StaticValue): StaticValue =>
  g.Mul(total(g, x), 1 / x.dims.reduce((n, dim) => n * dim, 1));

/** Σ over elements of ½ d² where |d| < 1, |d| − ½ beyond. */
export function smoothAbsolute(g: Builder, d: StaticValue): StaticValue {
  const size = g.Abs(d);
  const small = g.Min(size, 1);
  return g.Add(g.Mul(g.Mul(small, small), 0.5), g.Sub(size, small));
}
