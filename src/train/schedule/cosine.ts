/** The learning rate falls along half a cosine, once or again and again. */

import type { Schedule } from './schedule.ts';

const half = (from: number, to: number, share: number): number =>
  to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;

/**
 * floor + (lr − floor) · (1 + cos(π · step / steps)) / 2, and the floor from `steps` on. Default floor 0.
 *
 * PyTorch's CosineAnnealingLR, which would rise again after `steps`.
 * Source   Loshchilov and Hutter 2017, arXiv:1608.03983.
 */
export const cosine =
  (lr: number, steps: number, { floor = 0 }: { floor?: number } = {}): Schedule =>
  (step) =>
    half(lr, floor, Math.min(1, step / steps));

/**
 * The same from the top again after `first` steps, each period `growth` times as long as the one before. Defaults: floor 0, growth 1.
 *
 * PyTorch's CosineAnnealingWarmRestarts.
 */
export const cosineRestarts = (
  lr: number,
  first: number,
  { floor = 0, growth = 1 }: { floor?: number; growth?: number } = {},
): Schedule => {
  return (step) => {
    let [since, period] = [step, first];
    if (growth === 1) since %= period;
    else {
      while (since >= period) {
        since -= period;
        period *= growth;
      }
    }
    return half(lr, floor, since / period);
  };
};
