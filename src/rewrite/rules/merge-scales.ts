/** Two constants one after the other are one: (x + a) + b = x + (a + b), (x · a) · b = x · (a · b). */

import { sizeOf } from '../../graph/tensor.ts';
import { isCalculable } from '../arithmetic.ts';
import { combine } from '../broadcast.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

const ADDING = new Set(['Add', 'Sub']);

export const mergeScales = rule({
  name: 'merge-scales',
  about: 'Consecutive additions of constants, or multiplications by them, become one.',
  pattern: node(
    ['Add', 'Sub', 'Mul', 'Div'],
    [
      node(['Add', 'Sub', 'Mul', 'Div'], [any('x'), constant('a')], { as: 'first', once: true, commutes: true }),
      constant('b'),
    ],
    { as: 'second', commutes: true },
  ),
  where: ({ nodes: { first, second }, values: { a } }, net) =>
    ADDING.has(first!.op) === ADDING.has(second!.op) && !net.constant(first!.inputs.find((name) => name !== a) ?? ''),

  check: ({ nodes: { first, second }, values: { a, b } }, net) => {
    const [A, B] = [net.constant(a!)!, net.constant(b!)!];
    if (!isCalculable(A) || A.dtype !== B.dtype) return `the constants are ${A.dtype} and ${B.dtype}`;
    const isReversed = (node: { op: string; inputs: readonly string[] }, name: string): boolean =>
      (node.op === 'Sub' || node.op === 'Div') && node.inputs[0] === name;
    if (isReversed(first!, a!) || isReversed(second!, b!)) return 'a constant stands on the left of Sub or Div';
    const both = combine(A, B, () => 0);
    if (!both) return 'the constants do not fit each other';
    const isLarger = sizeOf(both.dims) > sizeOf(A.dims) + sizeOf(B.dims);
    return isLarger ? `together they hold ${sizeOf(both.dims)} numbers` : undefined;
  },

  rewrite: ({ nodes: { first, second }, values: { x, a, b } }, edit) => {
    const isSum = ADDING.has(first!.op);
    const signed = (node: { op: string }) => (value: number) =>
      node.op === 'Sub' ? -value : node.op === 'Div' ? 1 / value : value;
    const [one, two] = [signed(first!), signed(second!)];
    const both = combine(edit.constant(a!)!, edit.constant(b!)!, (p, q) =>
      isSum ? one(p) + two(q) : one(p) * two(q),
    )!;
    const c = edit.reweigh(a!, both, first!);
    return {
      outputs: [edit.emit(isSum ? 'Add' : 'Mul', [x!, c], {}, { like: second! })],
      why: `with ${first!.op} "${first!.name}"`,
    };
  },

  samples: [
    {
      about: 'a subtraction and an addition that stretches',
      leaves: 'Add',
      build: (g) => g.Add(g.Sub(g.input('x', 'float32', [2, 3]), values(g, [3])), values(g, [2, 3])),
    },
    {
      about: 'pixels: divided, then scaled',
      leaves: 'Mul',
      build: (g) => g.Div(g.Mul(g.scalar(2), g.input('x', 'float32', [2, 3])), 255),
    },
    {
      about: 'a constant on the left of Sub',
      build: (g) => g.Sub(g.scalar(1), g.Add(g.input('x', 'float32', [2, 3]), 2)),
      fires: false,
    },
  ],
});
