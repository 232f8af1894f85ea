/** Schedule-free AdamW: an average of the iterates takes the place of a falling learning rate. */

import type { Rate } from '../schedule/schedule.ts';
import { chain, type Optimizer, rule, uniform } from './transform.ts';

export interface ScheduleFreeOptions {
  /** Learning rate, best constant after a warm-up. Default 0.0025. */
  lr?: Rate;
  /** How far the gradient is taken towards the average. Default 0.9. */
  b1?: number;
  /** Share of the second moment that stays. Default 0.999. */
  b2?: number;
  /** Keeps the divisor from 0. Default 1e-8. */
  eps?: number;
  /** Decoupled weight decay, at the point where the gradient is taken. Default 0. */
  decay?: number;
  /** Later iterates count tᵖ times in the average. Default 0. */
  power?: number;
}

/**
 * The gradient is taken at y = (1 − b1) z + b1 x; z makes the steps, x is their average and the model to keep:
 *
 *   d = g / (√v̂ + eps) + decay · y,   z := z − lr · d,   x := (1 − c) x + c z,   c = share of this step's weight lrₘₐₓ² tᵖ
 *
 * The weights hold y while training, and x between `evaluation()` and `training()`; x itself is not stored.
 * State: two slots (v, z), the largest learning rate and the sum of the weights.
 * Source   Defazio et al. 2024, arXiv:2405.15682, and the authors' `AdamWScheduleFree`.
 */
export const scheduleFree = ({
  lr = 2.5e-3,
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-8,
  decay = 0,
  power = 0,
}: ScheduleFreeOptions = {}): Optimizer =>
  chain(
    rule(
      'schedule-free',
      { v: 0, z: 'w', largest: uniform(0), total: uniform(0) },
      (e, { u, w: y, v, z, largest, total }) => {
        const square = e.add(e.mul(b2, v), e.mul(1 - b2, e.square(u)));
        const below = e.add(e.div(e.sqrt(square), e.sqrt(e.sub(1, e.pow(b2, e.t)))), eps);
        const penalty = decay === 0 ? 0 : e.mul(e.mul(decay, e.groupDecay), y);
        const direction = e.add(e.div(u, below), penalty);
        const most = e.max(largest, e.baseLr);
        const weight = e.mul(e.square(most), e.pow(e.t, power));
        const sum = e.add(total, weight);
        const share = e.ifGreater(sum, 0, e.div(weight, sum), 0);
        const ahead = e.mul(e.lr, e.sub(e.mul(b1, e.sub(1, share)), 1));
        const nearer = e.add(y, e.mul(share, e.sub(z, y)));
        return {
          v: square,
          z: e.sub(z, e.mul(e.lr, direction)),
          w: e.add(nearer, e.mul(ahead, direction)),
          u: 0,
          largest: most,
          total: sum,
        };
      },
      { lr, evaluate: (e, { w: y, z }) => e.add(y, e.mul(1 - 1 / b1, e.sub(z, y))) },
    ),
  );
