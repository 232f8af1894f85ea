/** Lion: every weight moves by the same amount, in the direction of its momentum. */

import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface LionOptions {
  /** Learning rate; about a tenth of what suits AdamW. Default 1e-4. */
  lr?: Rate;
  /** Share of the momentum in the direction. Default 0.9. */
  b1?: number;
  /** Share of the momentum that stays. Default 0.99. */
  b2?: number;
  /** Decoupled weight decay; about ten times what suits AdamW. Default 0. */
  decay?: number;
}

/**
 * w := w − lr · (sign(b1 m + (1 − b1) g) + decay · w),   m := b2 m + (1 − b2) g
 *
 * State: one slot.
 * Source   Chen et al. 2023, arXiv:2302.06675.
 */
export const lion = ({ lr = 1e-4, b1 = 0.9, b2 = 0.99, decay = 0 }: LionOptions = {}): Optimizer =>
  chain(
    rule('lion', { m: 0 }, (e, { u, m }) => ({
      u: e.sign(e.add(e.mul(b1, m), e.mul(1 - b1, u))),
      m: e.add(e.mul(b2, m), e.mul(1 - b2, u)),
    })),
    addDecay(decay),
    descend(lr),
  );
