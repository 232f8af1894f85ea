/** Element-wise arithmetic and comparison, with numpy broadcasting. */

import { broadcast, minus, over, plus, times } from '../graph/dim.ts';
import { dtypeOf } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { binary, unary } from './element-wise.ts';
import { tieBroadcast } from './link.ts';
import { misfit } from './misfit.ts';
import { int, op, text } from './op.ts';
import { between, exactly, positive } from './sample.ts';

export const Add = binary('Add', ({ dY }) => ({ A: dY, B: dY }), { quant: 'own', ints: plus });
export const Sub = binary('Sub', ({ dY }, g) => ({ A: dY, B: g.Neg(dY) }), { ints: minus });
export const Mul = binary('Mul', ({ A, B, dY }, g) => ({ A: g.Mul(dY, B), B: g.Mul(dY, A) }), {
  quant: 'own',
  ints: times,
});
export const Div = binary('Div', ({ B, Y, dY }, g) => ({ A: g.Div(dY, B), B: g.Neg(g.Div(g.Mul(dY, Y), B)) }), {
  ints: over,
  samples: [
    { A: [2, 3], B: positive(2, 3) },
    { A: [2, 3, 4], B: positive(3, 1) },
  ],
});

// dA = dY · B · A^(B−1);  dB = dY · Y · ln A, asked for only where A is positive
export const Pow = binary(
  'Pow',
  ({ A, B, Y, dY }, g) => ({
    A: g.Mul(dY, g.Mul(B, g.Pow(A, g.Sub(B, 1)))),
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
    cost: () => ({ macs: 0 }),
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
  });
const both =
  (f: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : a === b ? a : null;
export const Max = larger('Max', 'GreaterOrEqual', both(Math.max));
export const Min = larger('Min', 'LessOrEqual', both(Math.min));

export const Sum = op({
  type: 'Sum',
  inputs: ['...X'],
  attrs: {},
  shape: ({ X }) => {
    const dims = broadcast(...X.map((x) => x.dims));
    if (!dims)
      throw misfit(
        'Sum',
        'the operands cannot be broadcast to one shape',
        Object.fromEntries(X.map((x, i) => [`X${i}`, x])),
      );
    return dims;
  },
  grad: ({ X, dY }, _, g) => ({ X: X.map((x) => g.sumTo(dY, x.dims)) }),
  couple: ({ X, Y }) => X.flatMap((x) => tieBroadcast(Y, x)),
  cost: () => ({ macs: 0 }),
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
});

export const Neg = unary('Neg', ({ dY }, _, g) => g.Neg(dY), { ints: (x) => minus(0, x) });
export const Abs = unary('Abs', ({ X, dY }, _, g) => g.Mul(dY, g.Sign(X)));
export const Sqrt = unary('Sqrt', ({ Y, dY }, _, g) => g.Div(g.Mul(dY, 0.5), Y), { samples: [{ X: positive(2, 3) }] });
export const Exp = unary('Exp', ({ Y, dY }, _, g) => g.Mul(dY, Y));
export const Log = unary('Log', ({ X, dY }, _, g) => g.Div(dY, X), { samples: [{ X: positive(2, 3) }] });
export const Reciprocal = unary('Reciprocal', ({ Y, dY }, _, g) => g.Neg(g.Mul(dY, g.Mul(Y, Y))), {
  samples: [{ X: positive(2, 3) }],
});
export const Sin = unary('Sin', ({ X, dY }, _, g) => g.Mul(dY, g.Cos(X)));
export const Cos = unary('Cos', ({ X, dY }, _, g) => g.Neg(g.Mul(dY, g.Sin(X))));
// d erf(x) / dx = 2/√π · e^(−x²)
export const Erf = unary('Erf', ({ X, dY }, _, g) =>
  g.Mul(dY, g.Mul(g.Exp(g.Neg(g.Mul(X, X))), 2 / Math.sqrt(Math.PI))),
);

export const Sign = unary('Sign', 'none');
export const Floor = unary('Floor', 'none');
export const Ceil = unary('Ceil', 'none');
export const Round = unary('Round', 'none');
export const Not = unary('Not', 'none', { samples: [{ X: exactly('bool', [3], [0, 1, 1]) }] });
export const IsNaN = unary('IsNaN', 'none', { dtype: 'bool' });
export const IsInf = unary('IsInf', 'none', { dtype: 'bool' });

const compared = { dtype: 'bool' as const };
export const Equal = binary('Equal', 'none', {
  ...compared,
  ints: (a, b) => (a === null || b === null ? null : typeof a === typeof b ? Number(a === b) : null),
});
export const Greater = binary('Greater', 'none', compared);
export const GreaterOrEqual = binary('GreaterOrEqual', 'none', compared);
export const Less = binary('Less', 'none', compared);
export const LessOrEqual = binary('LessOrEqual', 'none', compared);
const truths = {
  samples: [{ A: exactly('bool', [2], [0, 1]), B: exactly('bool', [2], [1, 1]) }],
  dtype: 'bool' as const,
};
export const And = binary('And', 'none', truths);
export const Or = binary('Or', 'none', truths);
export const Xor = binary('Xor', 'none', truths);

export const Mod = op({
  type: 'Mod',
  inputs: ['A', 'B'],
  attrs: { fmod: int(0) },
  shape: ({ A, B }) => {
    const dims = broadcast(A.dims, B.dims);
    if (!dims) throw misfit('Mod', 'the operands cannot be broadcast to one shape', { A, B });
    return dims;
  },
  grad: 'none',
  couple: ({ A, B, Y }) => [...tieBroadcast(Y, A), ...tieBroadcast(Y, B)],
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [{ A: exactly('int64', [3], [5, 6, 7]), B: exactly('int64', [1], [3]) }],
});

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
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [{ X: exactly('uint32', [2], [5, 9]), Z: exactly('uint32', [], [1]), attrs: { direction: 'RIGHT' } }],
});

export const Where = op({
  type: 'Where',
  inputs: ['condition', 'X', 'Z'],
  attrs: {},
  shape: ({ condition, X, Z }) => {
    const dims = broadcast(condition.dims, X.dims, Z.dims);
    if (!dims) throw misfit('Where', 'the operands cannot be broadcast to one shape', { condition, X, Z });
    const chosen =
      condition.ints && X.ints && Z.ints && condition.ints.every((c) => typeof c === 'number')
        ? condition.ints.map((c, i) =>
            c ? X.ints![X.ints!.length === 1 ? 0 : i]! : Z.ints![Z.ints!.length === 1 ? 0 : i]!,
          )
        : undefined;
    return { dims, dtype: X.dtype, ints: chosen };
  },
  grad: ({ condition, X, Z, dY }, _, g) => ({
    X: g.sumTo(g.Where(condition, dY, g.scalar(0, dY.dtype)), X.dims),
    Z: g.sumTo(g.Where(condition, g.scalar(0, dY.dtype), dY), Z.dims),
  }),
  couple: ({ condition, X, Z, Y }) => [condition, X, Z].flatMap((operand) => tieBroadcast(Y, operand)),
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [
    { condition: exactly('bool', [2, 3], [1, 0, 1, 0, 0, 1]), X: [2, 3], Z: [1, 3] },
    { condition: exactly('bool', [3], [1, 0, 1]), X: [2, 3], Z: [2, 1] },
  ],
});

export const Cast = op({
  type: 'Cast',
  inputs: ['X'],
  attrs: { to: int(1), saturate: int(1) },
  shape: ({ X }, { to }) => ({ dims: X.dims, dtype: dtypeOf(to) ?? 'float32', ints: X.ints }),
  grad: ({ X, dY }, _, g) => ({ X: X.dtype === 'float32' && dY.dtype === 'float32' ? dY : g.Cast(dY, { to: 1 }) }),
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: () => ({ macs: 0 }),
  quant: 'float',
  samples: [
    { X: [2, 3], attrs: { to: 1 } },
    { X: between(-4, 4, [3]), attrs: { to: 1 } },
  ],
});

export const Clip = op({
  type: 'Clip',
  inputs: ['X', 'min?', 'max?'],
  attrs: {},
  shape: ({ X }) => X.dims,
  grad: ({ X, min, max, dY }, _, g) => {
    const above = min && g.Cast(g.Greater(X, min), { to: 1 });
    const below = max && g.Cast(g.Less(X, max), { to: 1 });
    const inside = above && below ? g.Mul(above, below) : (above ?? below);
    return { X: inside ? g.Mul(dY, inside) : dY };
  },
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: () => ({ macs: 0 }),
  quant: 'passes',
  samples: [
    { X: [2, 3, 4], min: exactly('float32', [], [-0.7]), max: exactly('float32', [], [0.9]) },
    { X: [2, 3], min: exactly('float32', [], [0]) },
    { X: [2, 3] },
  ],
  history: [
    {
      until: 10,
      modern: (node, make) => {
        const { min, max, ...attrs } = node.attrs;
        const bound = (attr: typeof min, name: string) =>
          attr?.kind === 'float' ? make.constant(name, exactly('float32', [], [attr.value])) : '';
        return { ...node, attrs, inputs: [node.inputs[0]!, bound(min, 'clip_min'), bound(max, 'clip_max')] };
      },
    },
  ],
});
