/** Other element types, and limits. */

import { dtypeOf, isFloat } from '../graph/dtype.ts';
import { noMacs } from './answer.ts';
import { wereAttributes } from './history.ts';
import { tieBroadcast } from './link.ts';
import { int, op } from './op.ts';
import { between, exactly } from './sample.ts';

export const Cast = op({
  type: 'Cast',
  inputs: ['X'],
  attrs: { to: int(1), saturate: int(1) },
  shape: ({ X }, { to }) => ({ dims: X.dims, dtype: dtypeOf(to) ?? 'float32', ints: X.ints }),
  grad: ({ X, dY }, _, g) => ({ X: X.dtype === 'float32' && dY.dtype === 'float32' ? dY : g.Cast(dY, { to: 1 }) }),
  held: ({ X }, { to }, g) => [g.Cast(X, { to: isFloat(dtypeOf(to) ?? 'float32') ? to : 1 })],
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3], attrs: { to: 1 } },
    { X: between(-4, 4, [3]), attrs: { to: 1 } },
  ],
});

/** The dtype of the second operand. */
export const CastLike = op({
  type: 'CastLike',
  inputs: ['X', 'like'],
  attrs: { saturate: int(1) },
  shape: ({ X, like }) => ({ dims: X.dims, dtype: like.dtype, ints: X.ints }),
  grad: ({ dY }, _, g) => ({ X: dY.dtype === 'float32' ? dY : g.Cast(dY, { to: 1 }) }),
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3], like: exactly('float32', [1], [0]) }],
});

/** The same bits under another dtype of the same width. */
export const BitCast = op({
  type: 'BitCast',
  since: 26,
  inputs: ['X'],
  attrs: { to: int(1) },
  shape: ({ X }, { to }) => ({ dims: X.dims, dtype: dtypeOf(to) ?? 'float32' }),
  grad: 'none',
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: exactly('float32', [2], [1, -2]), attrs: { to: 6 } }],
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
  cost: noMacs,
  // 0 is on every grid, so limits without it cannot be a grid's.
  quant: ({ min: lo = Number.NEGATIVE_INFINITY, max: hi = Number.POSITIVE_INFINITY }) =>
    lo !== null && hi !== null && lo <= 0 && hi >= 0
      ? { kind: 'clamps', lo, hi }
      : { kind: 'float', why: 'its limits are computed, or leave out 0' },
  samples: [
    { X: [2, 3, 4], min: exactly('float32', [], [-0.7]), max: exactly('float32', [], [0.9]) },
    { X: [2, 3], min: exactly('float32', [], [0]) },
    { X: [2, 3] },
  ],
  history: [wereAttributes(10, { name: 'min', at: 1, kind: 'float' }, { name: 'max', at: 2, kind: 'float' })],
});
