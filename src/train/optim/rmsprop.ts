/** RMSprop: the gradient over the root of its own mean square. */

import type { Rate } from '../schedule/schedule.ts';
import type { Link } from './link.ts';
import { gradients, steps } from './sgd.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface RmspropRuleOptions {
  /** Share of the mean square that stays. Default 0.99 (Keras 0.9). */
  keep?: number;
  /** Keeps the divisor from 0. Default 1e-8 (Keras 1e-7). */
  eps?: number;
  /** Where eps is added: `'root'` √r + eps (PyTorch), `'square'` √(r + eps) (Keras). Default 'root'. */
  epsOn?: 'root' | 'square';
  /** Subtracts the squared mean, so that r is a variance; one more slot. Default false. */
  centered?: boolean;
  /** Share of a first moment that stays, which then stands above the root in place of the gradient; one more slot. Default 0: none. */
  firstMoment?: number;
}

export interface RmspropOptions extends RmspropRuleOptions {
  /** Learning rate. Default 0.01 (Keras 0.001). */
  lr?: Rate;
  /** Share of a velocity that stays, behind the division; one more slot. Default 0: none. */
  momentum?: number;
  /** What the velocity holds: gradients (PyTorch), or steps with the learning rate of their time (Keras). Default 'gradients'. */
  velocity?: 'gradients' | 'steps';
  /** L2 penalty. Default 0. */
  decay?: number;
}

/**
 * r := keep · r + (1 − keep) g²,   w := w − lr · g / (√r + eps)
 *
 *   centered      a := keep · a + (1 − keep) g    and √(r − a²) in place of √r
 *   firstMoment   m := b m + (1 − b) g            and m in place of g above the root
 *   momentum      v := μ v + g / (√r + eps)       and w := w − lr · v
 *
 * State: one slot, and one more for each of the three.
 * Source   Tieleman and Hinton 2012, lecture 6.5; centred and with momentum: Graves 2013, arXiv:1308.0850.
 */
export const rmsprop = ({
  lr = 1e-2,
  momentum = 0,
  velocity = 'gradients',
  decay = 0,
  ...rest
}: RmspropOptions = {}): Optimizer => {
  if (momentum === 0) return chain(addDecay(decay), rmspropRule(rest), descend(lr));
  if (velocity === 'steps') return chain(addDecay(decay), rmspropRule(rest), steps(lr, { momentum }));
  return chain(addDecay(decay), rmspropRule(rest), gradients({ momentum }), descend(lr));
};

/** u := the normalised gradient, for chains of one's own. */
export const rmspropRule = ({
  keep = 0.99,
  eps = 1e-8,
  epsOn = 'root',
  centered = false,
  firstMoment = 0,
}: RmspropRuleOptions = {}): Link =>
  rule('rmsprop', { r: 0, ...(centered && { a: 0 }), ...(firstMoment > 0 && { m: 0 }) }, (e, { u, r, a, m }) => {
    const square = e.add(e.mul(keep, r), e.mul(1 - keep, e.square(u)));
    const mean = centered ? e.add(e.mul(keep, a), e.mul(1 - keep, u)) : undefined;
    // Rounding can push r − a² below 0 where the gradient hardly varies.
    const spread = mean ? e.max(0, e.sub(square, e.square(mean))) : square;
    const above = firstMoment > 0 ? e.add(e.mul(firstMoment, m), e.mul(1 - firstMoment, u)) : u;
    const below = epsOn === 'root' ? e.add(e.sqrt(spread), eps) : e.sqrt(e.add(spread, eps));
    return { r: square, u: e.div(above, below), ...(mean && { a: mean }), ...(firstMoment > 0 && { m: above }) };
  });
