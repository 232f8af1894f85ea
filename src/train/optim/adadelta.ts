/** Adadelta: steps measured in the size of earlier steps, so that hardly a learning rate is left to choose. */

import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface AdadeltaOptions {
  /** Factor on the step. Default 1 (Keras 0.001). */
  lr?: Rate;
  /** Share of both mean squares that stays. Default 0.9 (Keras 0.95). */
  keep?: number;
  /** Under both roots; also what the first step is made of. Default 1e-6 (Keras 1e-7). */
  eps?: number;
  /** L2 penalty. Default 0. */
  decay?: number;
}

/**
 * v := keep · v + (1 − keep) g²,   d = g · √(s + eps) / √(v + eps),   s := keep · s + (1 − keep) d²,   w := w − lr · d
 *
 * State: two slots.
 * Source   Zeiler 2012, arXiv:1212.5701.
 */
export const adadelta = ({ lr = 1, keep = 0.9, eps = 1e-6, decay = 0 }: AdadeltaOptions = {}): Optimizer =>
  chain(
    addDecay(decay),
    rule('adadelta', { v: 0, s: 0 }, (e, { u, v, s }) => {
      const square = e.add(e.mul(keep, v), e.mul(1 - keep, e.square(u)));
      const step = e.mul(e.div(e.sqrt(e.add(s, eps)), e.sqrt(e.add(square, eps))), u);
      return { v: square, s: e.add(e.mul(keep, s), e.mul(1 - keep, e.square(step))), u: step };
    }),
    descend(lr),
  );
