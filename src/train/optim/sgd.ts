/** Gradient descent; batch, mini-batch and stochastic differ only in how much data the gradient has seen. */

import type { Rate } from '../schedule/schedule.ts';
import type { Link } from './link.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface SgdOptions {
  /** Learning rate. Default 0.01. */
  lr?: Rate;
  /** Share of the velocity that stays. Default 0: none is kept. */
  momentum?: number;
  /** Share of the gradient that does not enter the velocity, from the second step. Default 0. */
  dampening?: number;
  /** Looks ahead along the velocity. Default false. */
  nesterov?: boolean;
  /** L2 penalty. Default 0. */
  decay?: number;
  /** What the velocity holds: gradients (PyTorch), or steps with the learning rate of their time (the paper, Keras). Default 'gradients'. */
  velocity?: 'gradients' | 'steps';
}

/**
 * w := w − lr · g, or with momentum μ
 *
 *   gradients   v := μ v + (1 − dampening) g    w := w − lr · v          Nesterov: w − lr · (g + μ v)
 *   steps       v := μ v − lr · g               w := w + v               Nesterov: w + μ v − lr · g
 *
 * Both are the same at a constant learning rate. State: one slot with momentum, none without.
 * Source   Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013, "On the importance of initialization and momentum".
 */
export const sgd = ({
  lr = 0.01,
  momentum = 0,
  dampening = 0,
  nesterov = false,
  decay = 0,
  velocity = 'gradients',
}: SgdOptions = {}): Optimizer => {
  if (momentum === 0) return chain(addDecay(decay), descend(lr));
  if (velocity === 'steps') return chain(addDecay(decay), steps(lr, { momentum, nesterov }));
  return chain(addDecay(decay), gradients({ momentum, dampening, nesterov }), descend(lr));
};

/** A velocity of gradients: u becomes the direction, still without a learning rate. */
export const gradients = ({ momentum = 0.9, dampening = 0, nesterov = false } = {}): Link =>
  rule('momentum', { v: 0 }, (e, { u, v }) => {
    const fresh = dampening === 0 ? 1 : e.ifGreater(e.t, 1, 1 - dampening, 1);
    const next = e.add(e.mul(momentum, v), e.mul(fresh, u));
    return { v: next, u: nesterov ? e.add(u, e.mul(momentum, next)) : next };
  });

/** A velocity of steps: u becomes the step itself. */
export const steps = (lr: Rate, { momentum = 0.9, nesterov = false } = {}): Link =>
  rule(
    'momentum',
    { v: 0 },
    (e, { u, v }) => {
      const step = e.mul(e.neg(e.lr), u);
      const next = e.add(e.mul(momentum, v), step);
      return { v: next, u: nesterov ? e.add(e.mul(momentum, next), step) : next };
    },
    { lr },
  );
