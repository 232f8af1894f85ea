/** One rise to a high learning rate, then a long fall to almost nothing. */

import type { Schedule } from './schedule.ts';

export interface OneCycleOptions {
  /** Share of the steps that rise. Default 0.3. */
  rise?: number;
  /** The first rate is the peak divided by this. Default 25. */
  startDivisor?: number;
  /** The last rate is the first divided by this. Default 10 000. */
  endDivisor?: number;
  /** Along half a cosine, or a straight line. Default 'cosine'. */
  shape?: 'cosine' | 'line';
}

/**
 * Rises from peak / startDivisor to peak, then falls to peak / (startDivisor · endDivisor) at step `steps` − 1 and stays there.
 *
 * PyTorch's OneCycleLR with two phases; the momentum is not moved.
 * Source   Smith and Topin 2018, arXiv:1708.07120.
 */
export const oneCycle = (
  peak: number,
  steps: number,
  { rise = 0.3, startDivisor = 25, endDivisor = 1e4, shape = 'cosine' }: OneCycleOptions = {},
): Schedule => {
  const top = rise * steps - 1;
  const last = steps - 1;
  const start = peak / startDivisor;
  const between = (from: number, to: number, share: number): number =>
    shape === 'line' ? from + (to - from) * share : to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
  return (step) =>
    step <= top
      ? between(start, peak, step / top)
      : between(peak, start / endDivisor, Math.min(1, (step - top) / (last - top)));
};
