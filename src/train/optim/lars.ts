/** LARS: momentum for very large batches; each parameter has a learning rate in proportion to its own length. */

import type { Rate } from '../schedule/schedule.ts';
import { steps } from './sgd.ts';
import { chain, type Optimizer, rule } from './transform.ts';

export interface LarsOptions {
  /** Learning rate. Default 1. */
  lr?: Rate;
  /** Share of the velocity that stays. Default 0.9. */
  momentum?: number;
  /** L2 penalty, part of the norm. Default 0. */
  decay?: number;
  /** How far a parameter may move in a step, as a share of its length. Default 0.001. */
  trust?: number;
  /** Keeps the divisor from 0. Default 1e-8. */
  eps?: number;
}

/**
 * λ = trust · ‖w‖ / (‖g‖ + decay · ‖w‖ + eps),   v := μ v + lr · λ (g + decay · w),   w := w − v
 *
 * Norms per parameter; λ is 1 where a norm is 0 and in groups with `trust: false`. Two passes over memory. State: one slot.
 * Source   You et al. 2017, arXiv:1708.03888, Algorithm 1.
 */
export const lars = ({ lr = 1, momentum = 0.9, decay = 0, trust = 1e-3, eps = 1e-8 }: LarsOptions = {}): Optimizer =>
  chain(
    rule('lars', {}, (e, { u, w }) => {
      const weight = e.sqrt(e.sumEach(e.square(w)));
      const slope = e.sqrt(e.sumEach(e.square(u)));
      const penalty = e.mul(decay, e.groupDecay);
      const ratio = e.div(e.mul(trust, weight), e.add(e.add(slope, e.mul(penalty, weight)), eps));
      const known = e.mul(e.groupTrust, e.min(weight, slope));
      return { u: e.mul(e.add(u, e.mul(penalty, w)), e.ifGreater(known, 0, ratio, 1)) };
    }),
    steps(lr, { momentum }),
  );
