/** The learning rate falls to its floor along a power of the time that is left; power 1 is a straight line. */

import type { Schedule } from './schedule.ts';

/**
 * floor + (lr − floor) · (1 − step / steps)^power, and the floor from `steps` on. Defaults: power 1, floor 0.
 *
 * PyTorch's PolynomialLR.
 */
export const polynomial =
  (lr: number, steps: number, { power = 1, floor = 0 }: { power?: number; floor?: number } = {}): Schedule =>
  (step) =>
    floor + (lr - floor) * Math.max(0, 1 - step / steps) ** power;
