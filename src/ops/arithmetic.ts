/** Element-wise arithmetic, with numpy broadcasting. */

import { broadcast, minus, over, plus, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { numbers } from '../graph/tensor.ts';
import { count, noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { binary, unary } from './element-wise.ts';
import { ofOneShape } from './history.ts';
import { tieBroadcast } from './link.ts';
import { misfit } from './misfit.ts';
import { int, op, type StaticValue } from './op.ts';
import { exactly, positive } from './sample.ts';

/** `input` times a constant: a rescaling where the factor is positive. */
const rescaled = (input: 'A' | 'B', by: number | null) =>
  by !== null && by > 0 && Number.isFinite(by) ? ({ kind: 'rescales', input, by } as const) : undefined;

export const Add = binary('Add', ({ dY }) => ({ A: dY, B: dY }), { quant: 'own', ints: plus });
export const Sub = binary('Sub', ({ dY }, g) => ({ A: dY, B: g.Neg(dY) }), { ints: minus });
export const Mul = binary('Mul', ({ A, B, dY }, g) => ({ A: g.Mul(dY, B), B: g.Mul(dY, A) }), {
  quant: ({ A, B }) => rescaled('A', B) ?? rescaled('B', A) ?? { kind: 'own' },
  ints: times,
});
export const Div = binary('Div', ({ B, Y, dY }, g) => ({ A: g.Div(dY, B), B: g.Neg(g.Div(g.Mul(dY, Y), B)) }), {
  quant: ({ B }) => rescaled('A', B === null ? null : 1 / B) ?? { kind: 'float' },
  ints: over,
  // In floats a quotient is told only of numbers: a symbol divided need not be whole.
  floatInts: (a, b) => (typeof a === 'number' && typeof b === 'number' ? a / b : null),
  samples: [
    { A: [2, 3], B: positive(2, 3) },
    { A: [2, 3, 4], B: positive(3, 1) },
  ],
});

// dA = dY · B · A^(B−1);  dB = dY · Y · ln A, asked for only where A is positive
/** B · A^(B − 1): finite at 0, where a root is steep without end, so that a norm of nothing has slope 0. */
function powerSlope(A: StaticValue, B: StaticValue, g: Builder): StaticValue {
  const power = count(B.dims) === 1 && B.constant ? numbers(B.constant)[0]! : undefined;
  if (power === 2) return g.Mul(A, 2);
  const isRoot = power !== undefined && power > 0 && power < 1;
  return g.Mul(B, g.Pow(isRoot ? g.Max(A, LEAST) : A, g.Sub(B, 1)));
}

/** Stands for 0 where a number is divided by. */
const LEAST = 1e-20;

export const Pow = binary(
  'Pow',
  ({ A, B, Y, dY }, g) => ({
    A: g.Mul(dY, powerSlope(A, B, g)),
    B: g.Mul(dY, g.Mul(Y, g.Log(g.Max(A, 1e-38)))),
  }),
  {
    samples: [
      { A: positive(2, 3), B: [2, 3] },
      { A: positive(2, 3), B: exactly('float32', [], [3]) },
      { A: [2, 3], B: exactly('float32', [], [2]) },
    ],
  },
);

// A tie gives its slope to the first operand.
const larger = (type: string, wins: 'GreaterOrEqual' | 'LessOrEqual', ints: (a: Dim, b: Dim) => Dim) =>
  op({
    type,
    inputs: ['...X'],
    attrs: {},
    shape: ({ X }) => {
      const dims = broadcast(...X.map((x) => x.dims));
      if (!dims)
        throw misfit(
          type,
          'the operands cannot be broadcast to one shape',
          Object.fromEntries(X.map((x, i) => [`X${i}`, x])),
        );
      const known = X.length === 2 && X[0]!.ints && X[1]!.ints && X[0]!.ints.length === X[1]!.ints.length;
      return { dims, ints: known ? X[0]!.ints!.map((a, i) => ints(a, X[1]!.ints![i]!)) : undefined };
    },
    grad: ({ X, Y, dY }, _, g) => ({
      X: X.map((x) => g.sumTo(g.Mul(dY, g.Cast(g[wins](x, Y), { to: 1 })), x.dims)),
    }),
    couple: ({ X, Y }) => X.flatMap((x) => tieBroadcast(Y, x)),
    cost: noMacs,
    quant: 'float',
    samples: [
      {
        X: [
          [2, 3],
          [2, 3],
        ],
      },
      { X: [[2, 3], [3], [2, 1]] },
    ],
    history: [ofOneShape],
  });
const both =
  (f: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : a === b ? a : null;
export const Max = larger('Max', 'GreaterOrEqual', both(Math.max));
export const Min = larger('Min', 'LessOrEqual', both(Math.min));

const total = (type: string, share: (operands: number) => number) =>
  op({
    type,
    inputs: ['...X'],
    attrs: {},
    shape: ({ X }) => {
      const dims = broadcast(...X.map((x) => x.dims));
      if (!dims)
        throw misfit(
          type,
          'the operands cannot be broadcast to one shape',
          Object.fromEntries(X.map((x, i) => [`X${i}`, x])),
        );
      return dims;
    },
    grad: ({ X, dY }, _, g) => {
      const slope = share(X.length) === 1 ? dY : g.Mul(dY, share(X.length));
      return { X: X.map((x) => g.sumTo(slope, x.dims)) };
    },
    couple: ({ X, Y }) => X.flatMap((x) => tieBroadcast(Y, x)),
    cost: noMacs,
    quant: 'float',
    samples: [
      {
        X: [
          [2, 3],
          [2, 3],
          [1, 3],
        ],
      },
    ],
    history: [ofOneShape],
  });
export const Sum = total('Sum', () => 1);
export const Mean = total('Mean', (operands) => 1 / operands);

export const Neg = unary('Neg', ({ dY }, _, g) => g.Neg(dY), { ints: (x) => minus(0, x) });
export const Abs = unary('Abs', ({ X, dY }, _, g) => g.Mul(dY, g.Sign(X)));
export const Sqrt = unary('Sqrt', ({ Y, dY }, _, g) => g.Div(g.Mul(dY, 0.5), g.Max(Y, LEAST)), {
  samples: [{ X: positive(2, 3) }],
  ints: (x) => (typeof x === 'number' ? Math.sqrt(x) : null),
});
export const Exp = unary('Exp', ({ Y, dY }, _, g) => g.Mul(dY, Y));
export const Log = unary('Log', ({ X, dY }, _, g) => g.Div(dY, X), { samples: [{ X: positive(2, 3) }] });
export const Reciprocal = unary('Reciprocal', ({ Y, dY }, _, g) => g.Neg(g.Mul(dY, g.Mul(Y, Y))), {
  samples: [{ X: positive(2, 3) }],
});
// d erf(x) / dx = 2/√π · e^(−x²)
export const Erf = unary('Erf', ({ X, dY }, _, g) =>
  g.Mul(dY, g.Mul(g.Exp(g.Neg(g.Mul(X, X))), 2 / Math.sqrt(Math.PI))),
);

export const Sign = unary('Sign', 'none');
const rounded = (round: (x: number) => number) => ({ ints: (x: Dim): Dim => (typeof x === 'number' ? round(x) : x) });
export const Floor = unary('Floor', 'none', rounded(Math.floor));
export const Ceil = unary('Ceil', 'none', rounded(Math.ceil));
export const Round = unary('Round', 'none');
/** Told of sizes alone, where the sign that `fmod` chooses does not matter. */
const remainder = (a: Dim, b: Dim): Dim =>
  typeof a === 'number' && typeof b === 'number' && a >= 0 && b > 0 ? a % b : null;
export const Mod = binary('Mod', 'none', {
  attrs: { fmod: int(0) },
  ints: remainder,
  samples: [{ A: exactly('int64', [3], [5, 6, 7]), B: exactly('int64', [1], [3]) }],
});
