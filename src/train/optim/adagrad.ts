/** Adagrad: the gradient over the root of the sum of all its squares. */

import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface AdagradOptions {
  /** Learning rate. Default 0.01 (Keras 0.001). */
  lr?: Rate;
  /** Divides the learning rate by 1 + rateDecay · (t − 1). Default 0. */
  rateDecay?: number;
  /** What the sum of squares starts from. Default 0 (Keras 0.1). */
  initial?: number;
  /** Keeps the divisor from 0. Default 1e-10 (Keras 1e-7). */
  eps?: number;
  /** Where eps is added: `'root'` √s + eps (PyTorch), `'square'` √(s + eps) (Keras). Default 'root'. */
  epsOn?: 'root' | 'square';
  /** L2 penalty. Default 0. */
  decay?: number;
}

/**
 * s := s + g²,   w := w − lr · g / (√s + eps)
 *
 * State: one slot.
 * Source   Duchi et al. 2011, JMLR 12.
 */
export const adagrad = ({
  lr = 1e-2,
  rateDecay = 0,
  initial = 0,
  eps = 1e-10,
  epsOn = 'root',
  decay = 0,
}: AdagradOptions = {}): Optimizer =>
  chain(
    addDecay(decay),
    rule('adagrad', { s: initial }, (e, { u, s }) => {
      const sum = e.add(s, e.square(u));
      const below = epsOn === 'root' ? e.add(e.sqrt(sum), eps) : e.sqrt(e.add(sum, eps));
      const slower = e.add(1, e.mul(rateDecay, e.sub(e.t, 1)));
      return { s: sum, u: e.div(e.div(u, below), rateDecay === 0 ? 1 : slower) };
    }),
    descend(lr),
  );
