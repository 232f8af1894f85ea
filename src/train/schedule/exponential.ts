/** The learning rate falls by the same factor at each step. */

import type { Schedule } from './schedule.ts';

/** lr · factor^(step / every); `every` is 1 unless said otherwise. PyTorch's ExponentialLR. */
export const exponential =
  (lr: number, { factor, every = 1 }: { factor: number; every?: number }): Schedule =>
  (step) =>
    lr * factor ** (step / every);
