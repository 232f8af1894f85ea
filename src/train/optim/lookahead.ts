/** Lookahead: k steps forward with any optimiser, one step back. */

import { apply, chain, every, type Optimizer, rule } from './transform.ts';

export interface LookaheadOptions {
  /** Steps between two meetings. Default 5. */
  k?: number;
  /** How far the slow weights go towards the fast ones. Default 0.5. */
  towards?: number;
}

/**
 * On every k-th step: s := s + towards · (w − s),   w := s.
 *
 * The steps between cost nothing more. State: one more slot; the inner optimiser's state goes on.
 * Source   Zhang et al. 2019, arXiv:1907.08610.
 */
export const lookahead = (inner: Optimizer, { k = 5, towards = 0.5 }: LookaheadOptions = {}): Optimizer =>
  chain(
    inner,
    apply(),
    every(
      k,
      rule('lookahead', { s: 'w' }, (e, { w, s }) => {
        const next = e.add(s, e.mul(towards, e.sub(w, s)));
        return { s: next, w: next };
      }),
    ),
  );
