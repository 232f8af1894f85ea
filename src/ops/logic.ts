/** Comparison, logic and bits. */

import { broadcast, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { noMacs } from './answer.ts';
import { binary, unary } from './element-wise.ts';
import { tieBroadcast } from './link.ts';
import { misfit } from './misfit.ts';
import { op, text, type Value } from './op.ts';
import { exactly } from './sample.ts';

/** A symbol that is a size (no difference of sizes) is not negative: against a negative number, 0 tells as much. */
const least = (a: Dim, other: Dim): Dim =>
  typeof a === 'string' && !a.includes('-') && typeof other === 'number' && other < 0 ? 0 : a;

const ifKnown =
  (f: (a: number, b: number) => boolean) =>
  (a: Dim, b: Dim): Dim => {
    const [x, y] = [least(a, b), least(b, a)];
    return typeof x === 'number' && typeof y === 'number' ? Number(f(x, y)) : null;
  };

export const Not = unary('Not', 'none', {
  ints: (x) => (typeof x === 'number' ? 1 - x : null),
  samples: [{ X: exactly('bool', [3], [0, 1, 1]) }],
});

export const IsNaN = unary('IsNaN', 'none', { dtype: 'bool' });

export const IsInf = unary('IsInf', 'none', { dtype: 'bool' });

const compared = { dtype: 'bool' as const };

export const Equal = binary('Equal', 'none', {
  ...compared,
  ints: (a, b) => (typeof a === 'string' && a === b ? 1 : ifKnown((x, y) => x === y)(a, b)),
});

export const Greater = binary('Greater', 'none', { ...compared, ints: ifKnown((a, b) => a > b) });

export const GreaterOrEqual = binary('GreaterOrEqual', 'none', { ...compared, ints: ifKnown((a, b) => a >= b) });

export const Less = binary('Less', 'none', { ...compared, ints: ifKnown((a, b) => a < b) });

export const LessOrEqual = binary('LessOrEqual', 'none', { ...compared, ints: ifKnown((a, b) => a <= b) });

const truths = {
  samples: [{ A: exactly('bool', [2], [0, 1]), B: exactly('bool', [2], [1, 1]) }],
  dtype: 'bool' as const,
};

export const And = binary('And', 'none', {
  ...truths,
  ints: (a, b) => (a === 0 || b === 0 ? 0 : typeof a === 'number' && typeof b === 'number' ? 1 : null),
});

export const Or = binary('Or', 'none', {
  ...truths,
  ints: (a, b) => (a === 1 || b === 1 ? 1 : typeof a === 'number' && typeof b === 'number' ? 0 : null),
});

export const Xor = binary('Xor', 'none', truths);

export const BitwiseNot = unary('BitwiseNot', 'none', { samples: [{ X: exactly('int32', [2], [5, -9]) }] });
const bitwise = { samples: [{ A: exactly('uint32', [2], [5, 9]), B: exactly('uint32', [2], [3, 1]) }] };

export const BitwiseXor = binary('BitwiseXor', 'none', bitwise);

export const BitwiseAnd = binary('BitwiseAnd', 'none', bitwise);

export const BitwiseOr = binary('BitwiseOr', 'none', bitwise);

export const BitShift = op({
  type: 'BitShift',
  inputs: ['X', 'Z'],
  attrs: { direction: text('LEFT') },
  shape: ({ X, Z }) => broadcast(X.dims, Z.dims) ?? null,
  grad: 'none',
  couple: ({ X, Z, Y }) => [...tieBroadcast(Y, X), ...tieBroadcast(Y, Z)],
  cost: noMacs,
  quant: 'float',
  samples: [{ X: exactly('uint32', [2], [5, 9]), Z: exactly('uint32', [], [1]), attrs: { direction: 'RIGHT' } }],
});

/** Known elements of a choice; where the condition is open, both operands must agree. */
function chosenInts(condition: Value, X: Value, Z: Value, dims: readonly Dim[]): readonly Dim[] | undefined {
  const many = times(...dims);
  const at = (v: Value, i: number): Dim => v.ints?.[v.ints.length === 1 ? 0 : i] ?? null;
  const fits = (v: Value): boolean => v.ints === undefined || v.ints.length === 1 || v.ints.length === many;
  if (typeof many !== 'number' || !X.ints || !Z.ints || ![condition, X, Z].every(fits)) return undefined;
  return Array.from({ length: Math.min(many, 1024) }, (_, i) => {
    const held = at(condition, i);
    const [x, z] = [at(X, i), at(Z, i)];
    return typeof held === 'number' ? (held ? x : z) : x === z ? x : null;
  });
}

export const Where = op({
  type: 'Where',
  inputs: ['condition', 'X', 'Z'],
  attrs: {},
  shape: ({ condition, X, Z }) => {
    const dims = broadcast(condition.dims, X.dims, Z.dims);
    if (!dims) throw misfit('Where', 'the operands cannot be broadcast to one shape', { condition, X, Z });
    const chosen = chosenInts(condition, X, Z, dims);
    return { dims, dtype: X.dtype, ints: chosen };
  },
  grad: ({ condition, X, Z, dY }, _, g) => ({
    X: g.sumTo(g.Where(condition, dY, g.scalar(0, dY.dtype)), X.dims),
    Z: g.sumTo(g.Where(condition, g.scalar(0, dY.dtype), dY), Z.dims),
  }),
  couple: ({ condition, X, Z, Y }) => [condition, X, Z].flatMap((operand) => tieBroadcast(Y, operand)),
  cost: noMacs,
  quant: 'float',
  samples: [
    { condition: exactly('bool', [2, 3], [1, 0, 1, 0, 0, 1]), X: [2, 3], Z: [1, 3] },
    { condition: exactly('bool', [3], [1, 0, 1]), X: [2, 3], Z: [2, 1] },
  ],
});
