/** Averages of the weights along the way: often a better model than the last weights. */

import { apply, chain, every, type Optimizer, rule, uniform } from './transform.ts';

export interface EmaOptions {
  /** Share of the average that stays. Default 0.999. */
  keep?: number;
  /** Lets the share grow from 2/11 as min(keep, (1 + t) / (10 + t)), so that the start is soon forgotten. Default true. */
  warmUp?: boolean;
}

/**
 * An exponential moving average beside any optimiser: a := keep · a + (1 − keep) w.
 *
 * Training goes on from w; `evaluation()` shows a. State: one more slot.
 * Source   Polyak and Juditsky 1992; the growing share as in TensorFlow's ExponentialMovingAverage.
 */
export const ema = (inner: Optimizer, { keep = 0.999, warmUp = true }: EmaOptions = {}): Optimizer =>
  chain(
    inner,
    apply(),
    rule(
      'ema',
      { a: 'w' },
      (e, { w, a }) => {
        const stay = warmUp ? e.min(keep, e.div(e.add(1, e.t), e.add(10, e.t))) : e.constant(keep);
        return { a: e.add(e.mul(stay, a), e.mul(e.sub(1, stay), w)) };
      },
      { evaluate: (_, { a }) => a },
    ),
  );

export interface SwaOptions {
  /** First step that may count. */
  from: number;
  /** Every so many steps one set of weights enters the average; usually an epoch. Default 1. */
  every?: number;
}

/**
 * Stochastic weight averaging: the plain mean of the weights at every k-th step from `from` on.
 *
 * Batch normalisation must see some data with the averaged weights before they are used. State: one more slot and a count.
 * Source   Izmailov et al. 2018, arXiv:1803.05407.
 */
export const swa = (inner: Optimizer, { from, every: k = 1 }: SwaOptions): Optimizer =>
  chain(
    inner,
    apply(),
    every(
      k,
      rule(
        'swa',
        { mean: 0, count: uniform(0) },
        (e, { w, mean, count }) => {
          const next = e.add(count, 1);
          return { mean: e.add(mean, e.div(e.sub(w, mean), next)), count: next };
        },
        { evaluate: (e, { w, mean, count }) => e.ifGreater(count, 0, mean, w) },
      ),
      { from },
    ),
  );
