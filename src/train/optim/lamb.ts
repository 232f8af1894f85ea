/** LAMB: Adam for very large batches; each parameter moves by a share of its own length. */

import type { Rate } from '../schedule/schedule.ts';
import { type AdamRuleOptions, adamRule } from './adam.ts';
import type { Link } from './link.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface LambOptions extends AdamRuleOptions {
  /** Learning rate. Default 0.001. */
  lr?: Rate;
  /** Decoupled weight decay. Default 0 (the paper's experiments 0.01). */
  decay?: number;
}

/**
 * r = m̂ / (√v̂ + eps) + decay · w,   w := w − lr · ‖w‖ / ‖r‖ · r       norms per parameter; a norm of 0 makes the ratio 1
 *
 * Two passes over memory. Groups with `trust: false` (biases, normalisation) take the ratio 1.
 * State: two slots.
 * Source   You et al. 2020, arXiv:1904.00962, Algorithm 2 with φ the identity.
 */
export const lamb = ({ lr = 1e-3, decay = 0, eps = 1e-6, ...rest }: LambOptions = {}): Optimizer =>
  chain(adamRule({ eps, ...rest }), addDecay(decay), trust(), descend(lr));

/** u := u · ‖w‖ / ‖u‖, for each parameter by itself. */
export const trust = (): Link =>
  rule('trust', {}, (e, { u, w }) => {
    const weight = e.mul(e.groupTrust, e.sqrt(e.sumEach(e.square(w))));
    const update = e.sqrt(e.sumEach(e.square(u)));
    const known = e.min(weight, update);
    return { u: e.mul(u, e.ifGreater(known, 0, e.div(weight, update), 1)) };
  });
