/** Adam: each weight's step is its mean gradient over the root of its mean squared gradient. */

import type { Rate } from '../schedule/schedule.ts';
import type { Link } from './link.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface AdamRuleOptions {
  /** Share of the first moment that stays. Default 0.9. */
  b1?: number;
  /** Share of the second moment that stays. Default 0.999. */
  b2?: number;
  /** Keeps the divisor from 0. Default 1e-8 (Keras 1e-7). */
  eps?: number;
  /** Divides out that the moments start from 0. `false` is the textbook form. Default true. */
  biasCorrection?: boolean;
  /** What eps is added to: the corrected root (the paper's Algorithm 1, PyTorch), or the raw one (its section 2, Keras). Default 'corrected'. */
  epsOn?: 'corrected' | 'raw';
  /** Never lets the second moment shrink; one more slot. Default false. */
  amsgrad?: boolean;
}

export interface AdamOptions extends AdamRuleOptions {
  /** Learning rate. Default 0.001. */
  lr?: Rate;
  /** L2 penalty, as part of the gradient. Default 0. */
  decay?: number;
}

/**
 * m := b1 m + (1 − b1) g,   v := b2 v + (1 − b2) g²,   w := w − lr · m / (√v + eps)
 *
 * with `biasCorrection` (the default) m / (1 − b1ᵗ) and v / (1 − b2ᵗ) stand in for m and v.
 * State: two slots, three with `amsgrad`.
 * Source   Kingma and Ba 2015, arXiv:1412.6980; AMSGrad: Reddi et al. 2018, arXiv:1904.09237.
 *
 * @example
 * adam({ lr: 0.001, b1: 0.9, b2: 0.999, eps: 1e-8, biasCorrection: false })     // the textbook form
 */
export const adam = ({ lr = 1e-3, decay = 0, ...rest }: AdamOptions = {}): Optimizer =>
  chain(addDecay(decay), adamRule(rest), descend(lr));

/** u := m̂ / (√v̂ + eps): Adam's direction, for chains of one's own. */
export const adamRule = ({
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-8,
  biasCorrection = true,
  epsOn = 'corrected',
  amsgrad = false,
}: AdamRuleOptions = {}): Link =>
  rule('adam', { m: 0, v: 0, ...(amsgrad && { most: 0 }) }, (e, { u, m, v, most }) => {
    const mean = e.add(e.mul(b1, m), e.mul(1 - b1, u));
    const square = e.add(e.mul(b2, v), e.mul(1 - b2, e.square(u)));
    const largest = amsgrad ? e.max(most, square) : square;
    const first = biasCorrection ? e.sub(1, e.pow(b1, e.t)) : e.constant(1);
    const second = biasCorrection ? e.sqrt(e.sub(1, e.pow(b2, e.t))) : e.constant(1);
    const root = e.sqrt(largest);
    const direction =
      epsOn === 'corrected'
        ? e.div(e.div(mean, e.add(e.div(root, second), eps)), first)
        : e.mul(e.div(mean, e.add(root, eps)), e.div(second, first));
    return { m: mean, v: square, u: direction, ...(amsgrad && { most: largest }) };
  });
