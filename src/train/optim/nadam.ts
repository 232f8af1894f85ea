/** NAdam: Adam with Nesterov's look ahead. */

import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule, uniform } from './transform.ts';

export interface NadamOptions {
  /** Learning rate. Default 0.002 (Keras 0.001). */
  lr?: Rate;
  /** Share of the first moment that stays. Default 0.9. */
  b1?: number;
  /** Share of the second moment that stays. Default 0.999. */
  b2?: number;
  /** Keeps the divisor from 0. Default 1e-8 (Keras 1e-7). */
  eps?: number;
  /** How fast the momentum warms up: μₜ = b1 (1 − ½ · 0.96^(t · momentumDecay)). Default 0.004 (Keras 1). */
  momentumDecay?: number;
  /** Weight decay. Default 0. */
  decay?: number;
  /** Keeps weight decay out of the moments, as AdamW does. Default false. */
  decoupled?: boolean;
}

/**
 * w := w − lr · (μₜ₊₁ m / (1 − μ₁…μₜ₊₁) + (1 − μₜ) g / (1 − μ₁…μₜ)) / (√v̂ + eps)
 *
 * State: two slots, and the product μ₁…μₜ.
 * Source   Dozat 2016, "Incorporating Nesterov momentum into Adam".
 */
export const nadam = ({
  lr = 2e-3,
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-8,
  momentumDecay = 4e-3,
  decay = 0,
  decoupled = false,
}: NadamOptions = {}): Optimizer =>
  chain(
    addDecay(decoupled ? 0 : decay),
    rule('nadam', { m: 0, v: 0, product: uniform(1) }, (e, { u, m, v, product }) => {
      const mean = e.add(e.mul(b1, m), e.mul(1 - b1, u));
      const square = e.add(e.mul(b2, v), e.mul(1 - b2, e.square(u)));
      const below = e.add(e.div(e.sqrt(square), e.sqrt(e.sub(1, e.pow(b2, e.t)))), eps);
      const mu = e.mul(b1, e.sub(1, e.mul(0.5, e.pow(0.96, e.mul(e.t, momentumDecay)))));
      const next = e.mul(b1, e.sub(1, e.mul(0.5, e.pow(0.96, e.mul(e.add(e.t, 1), momentumDecay)))));
      const upToNow = e.mul(product, mu);
      const ahead = e.mul(mean, e.div(next, e.sub(1, e.mul(upToNow, next))));
      const here = e.mul(u, e.div(e.sub(1, mu), e.sub(1, upToNow)));
      return { m: mean, v: square, product: upToNow, u: e.div(e.add(ahead, here), below) };
    }),
    addDecay(decoupled ? decay : 0),
    descend(lr),
  );
