/** Channels folded into places and back. */

import { over, times } from '../graph/dim.ts';
import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { tie, tieBlocks, tieModulo } from './link.ts';
import { int, op, type StaticValue, text } from './op.ts';

/**
 * DCR  channel (i · b + j) · C + c  goes to channel c, place (i, j) of its block
 * CRD  channel c · b² + i · b + j   goes there
 */
export const DepthToSpace = op({
  type: 'DepthToSpace',
  inputs: ['X'],
  attrs: { blocksize: int(1), mode: text('DCR') },
  shape: ({ X }, { blocksize: b }) => [X.dims[0]!, over(X.dims[1]!, b * b), times(X.dims[2]!, b), times(X.dims[3]!, b)],
  grad: ({ dY }, { blocksize, mode }, g) => ({
    X: mode === 'DCR' ? g.SpaceToDepth(dY, { blocksize }) : gatherBlocks(dY, blocksize, g),
  }),
  couple: ({ X, Y }, { mode, blocksize }) => [
    tie(Y[0]!, X[0]!, 'samples stay samples'),
    mode === 'DCR' ? tieModulo(X[1]!, Y[1]!) : tieBlocks(Y[1]!, X[1]!, blocksize * blocksize),
  ],
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [1, 8, 2, 3], attrs: { blocksize: 2 } },
    { X: [2, 8, 2, 2], attrs: { blocksize: 2, mode: 'CRD' } },
  ],
});

/** x [N, C, H·b, W·b] → [N, C·b², H, W], the blocks of a channel side by side. */
const gatherBlocks = (x: StaticValue, b: number, g: Builder): StaticValue => {
  const [n, channels, height, width] = x.dims as [number, number, number, number];
  const split = g.reshape(x, [n, channels, height / b, b, width / b, b]);
  return g.reshape(g.Transpose(split, { perm: [0, 1, 3, 5, 2, 4] }), [n, channels * b * b, height / b, width / b]);
};

export const SpaceToDepth = op({
  type: 'SpaceToDepth',
  inputs: ['X'],
  attrs: { blocksize: int(1) },
  shape: ({ X }, { blocksize: b }) => [X.dims[0]!, times(X.dims[1]!, b * b), over(X.dims[2]!, b), over(X.dims[3]!, b)],
  grad: ({ dY }, { blocksize }, g) => ({ X: g.DepthToSpace(dY, { blocksize }) }),
  couple: ({ X, Y }) => [tie(Y[0]!, X[0]!, 'samples stay samples'), tieModulo(Y[1]!, X[1]!)],
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [1, 2, 4, 6], attrs: { blocksize: 2 } }],
});
