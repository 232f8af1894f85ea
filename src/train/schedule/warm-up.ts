/** A slow start in front of any schedule. */

import { type Rate, rateAt, type Schedule } from './schedule.ts';

/**
 * For `steps` steps, a straight line from `from` · lr to lr, where lr is the first rate of `then`; after that `then`, from its beginning.
 *
 * Default from 0. PyTorch's SequentialLR of LinearLR and the rest.
 *
 * @example
 * warmUp(cosine(3e-4, 10_000), 500)
 */
export const warmUp =
  (then: Rate, steps: number, { from = 0 }: { from?: number } = {}): Schedule =>
  (step) =>
    step < steps ? rateAt(then, 0) * (from + ((1 - from) * step) / steps) : rateAt(then, step - steps);
