/** A value that several ranks make together. It lives between the split of a layer and the engine, which never sees it. */

import { tie } from './link.ts';
import { int, op } from './op.ts';

/**
 * The sum of X over the ranks that share a layer (`forward`), or X itself; its slope is summed over them (`backward`), or not.
 *
 *   behind a layer whose inputs are split    Y = Σ X over ranks, dX = dY
 *   before a layer whose outputs are split   Y = X, dX = Σ dY over ranks
 *
 * Source   Shoeybi et al. 2019, Megatron-LM, arXiv:1909.08053: its operators g and f.
 */
export const RankSum = op({
  type: 'RankSum',
  domain: 'pare',
  inputs: ['X'],
  attrs: { forward: int(0), backward: int(0) },
  shape: ({ X }) => X.dims,
  grad: ({ dY }, { forward, backward }, g) => ({
    X: g.emit('RankSum', [dY], { forward: backward, backward: forward })[0]!,
  }),
  couple: ({ X, Y }) => X.map((axis, i) => tie(Y[i]!, axis)),
  cost: () => ({ macs: 0 }),
  quant: 'float',
  decompose: ({ X }, { forward }, g) => (forward ? undefined : [g.Identity(X)]),
  samples: [],
});
