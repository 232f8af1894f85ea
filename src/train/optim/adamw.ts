/** AdamW: Adam whose weight decay does not pass through the moments. */

import type { Rate } from '../schedule/schedule.ts';
import { type AdamRuleOptions, adamRule } from './adam.ts';
import { addDecay, chain, descend, type Optimizer } from './transform.ts';

export interface AdamwOptions extends AdamRuleOptions {
  /** Learning rate. Default 0.001. */
  lr?: Rate;
  /** Share of each weight that a step of learning rate 1 would take away. Default 0.01 (Keras 0.004). */
  decay?: number;
}

/**
 * w := w − lr · (m̂ / (√v̂ + eps) + decay · w)
 *
 * State: two slots, three with `amsgrad`.
 * Source   Loshchilov and Hutter 2019, arXiv:1711.05101.
 */
export const adamw = ({ lr = 1e-3, decay = 1e-2, ...rest }: AdamwOptions = {}): Optimizer =>
  chain(adamRule(rest), addDecay(decay), descend(lr));
