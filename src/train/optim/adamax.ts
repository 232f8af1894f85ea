/** Adamax: Adam with the largest gradient of late in place of the mean square. */

import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface AdamaxOptions {
  /** Learning rate. Default 0.002 (Keras 0.001). */
  lr?: Rate;
  /** Share of the first moment that stays. Default 0.9. */
  b1?: number;
  /** Share of the largest gradient that stays. Default 0.999. */
  b2?: number;
  /** Keeps the divisor from 0. Default 1e-8 (Keras 1e-7). */
  eps?: number;
  /** Where eps is added: to |g| before it is compared (PyTorch), or to the divisor (Keras). Default 'gradient'. */
  epsOn?: 'gradient' | 'divisor';
  /** L2 penalty. Default 0. */
  decay?: number;
}

/**
 * m := b1 m + (1 − b1) g,   n := max(b2 n, |g| + eps),   w := w − lr / (1 − b1ᵗ) · m / n
 *
 * State: two slots.
 * Source   Kingma and Ba 2015, arXiv:1412.6980, section 7.1.
 */
export const adamax = ({
  lr = 2e-3,
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-8,
  epsOn = 'gradient',
  decay = 0,
}: AdamaxOptions = {}): Optimizer =>
  chain(
    addDecay(decay),
    rule('adamax', { m: 0, n: 0 }, (e, { u, m, n }) => {
      const mean = e.add(e.mul(b1, m), e.mul(1 - b1, u));
      const size = epsOn === 'gradient' ? e.add(e.abs(u), eps) : e.abs(u);
      const largest = e.max(e.mul(b2, n), size);
      const below = epsOn === 'gradient' ? largest : e.add(largest, eps);
      return { m: mean, n: largest, u: e.div(e.div(mean, below), e.sub(1, e.pow(b1, e.t))) };
    }),
    descend(lr),
  );
