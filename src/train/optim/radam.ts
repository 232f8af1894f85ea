/** RAdam: Adam that trusts its second moment only once enough gradients have been seen. */

import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface RadamOptions {
  /** Learning rate. Default 0.001. */
  lr?: Rate;
  /** Share of the first moment that stays. Default 0.9. */
  b1?: number;
  /** Share of the second moment that stays. Default 0.999. */
  b2?: number;
  /** Keeps the divisor from 0. Default 1e-8. */
  eps?: number;
  /** Weight decay. Default 0. */
  decay?: number;
  /** Keeps weight decay out of the moments, as AdamW does. Default false. */
  decoupled?: boolean;
}

/**
 * ρ∞ = 2 / (1 − b2) − 1,   ρ = ρ∞ − 2 t b2ᵗ / (1 − b2ᵗ)
 *
 *   ρ > 5       w := w − lr · m̂ · √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ)) · √(1 − b2ᵗ) / (√v + eps)
 *   otherwise   w := w − lr · m̂
 *
 * State: two slots.
 * Source   Liu et al. 2020, arXiv:1908.03265; the threshold 5 as in the authors' code and PyTorch.
 */
export const radam = ({
  lr = 1e-3,
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-8,
  decay = 0,
  decoupled = false,
}: RadamOptions = {}): Optimizer =>
  chain(
    addDecay(decoupled ? 0 : decay),
    rule('radam', { m: 0, v: 0 }, (e, { u, m, v }) => {
      const mean = e.add(e.mul(b1, m), e.mul(1 - b1, u));
      const square = e.add(e.mul(b2, v), e.mul(1 - b2, e.square(u)));
      const unbiased = e.div(mean, e.sub(1, e.pow(b1, e.t)));
      const most = 2 / (1 - b2) - 1;
      const power = e.pow(b2, e.t);
      const rho = e.sub(most, e.div(e.mul(2, e.mul(e.t, power)), e.sub(1, power)));
      const above = e.mul(e.mul(e.sub(rho, 4), e.sub(rho, 2)), most);
      const rectified = e.sqrt(e.div(above, e.mul((most - 4) * (most - 2), rho)));
      const factor = e.mul(rectified, e.sqrt(e.sub(1, power)));
      const adaptive = e.mul(unbiased, e.div(factor, e.add(e.sqrt(square), eps)));
      return { m: mean, v: square, u: e.ifGreater(rho, 5, adaptive, unbiased) };
    }),
    addDecay(decoupled ? decay : 0),
    descend(lr),
  );
