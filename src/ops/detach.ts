/** A value whose slope is not followed: what is learned from it leaves it alone. */

import { noMacs } from './answer.ts';
import { tieBroadcast } from './link.ts';
import { op } from './op.ts';

export const Detach = op({
  type: 'Detach',
  domain: 'pare',
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => X,
  grad: () => ({}),
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: noMacs,
  quant: 'float',
  decompose: ({ X }, _, g) => [g.Identity(X)],
  samples: [],
});
