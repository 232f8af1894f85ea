/** The forms of Gelu that optimisers write. */

import { noMacs } from '../answer.ts';
import { unary } from '../element-wise.ts';
import { tieBroadcast } from '../link.ts';
import { float, op } from '../op.ts';

const DOMAIN = 'com.microsoft';

export const Gelu = op({
  type: 'Gelu',
  domain: DOMAIN,
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => X.dims,
  grad: 'none',
  decompose: ({ X }, _, g) => [g.Gelu(X)],
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3] }],
});

export const BiasGelu = op({
  type: 'BiasGelu',
  domain: DOMAIN,
  inputs: ['A', 'B'],
  attrs: {},
  shape: ({ A }) => A.dims,
  grad: 'none',
  decompose: ({ A, B }, _, g) => [g.Gelu(g.Add(A, B))],
  couple: ({ A, B, Y }) => [...tieBroadcast(Y, A), ...tieBroadcast(Y, B)],
  cost: noMacs,
  quant: 'float',
  samples: [{ A: [2, 3], B: [3] }],
});

export const FastGelu = op({
  type: 'FastGelu',
  domain: DOMAIN,
  inputs: ['X', 'bias?'],
  attrs: {},
  shape: ({ X }) => X.dims,
  grad: 'none',
  decompose: ({ X, bias }, _, g) => [g.Gelu(bias ? g.Add(X, bias) : X, { approximate: 'tanh' })],
  couple: ({ X, bias, Y }) => [...tieBroadcast(Y, X), ...tieBroadcast(Y, bias)],
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3] }, { X: [2, 3], bias: [3] }],
});

// y = x · σ(αx)
export const QuickGelu = unary(
  'QuickGelu',
  ({ X, dY }, { alpha }, g) => {
    const s = g.Sigmoid(g.Mul(X, alpha));
    return g.Mul(dY, g.Add(s, g.Mul(g.Mul(g.Mul(X, alpha), s), g.Sub(1, s))));
  },
  { attrs: { alpha: float(1.702) }, domain: DOMAIN },
);
