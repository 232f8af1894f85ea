/** One learning rate from first to last. */

import type { Schedule } from './schedule.ts';

/** lr at every step. */
export const constant =
  (lr: number): Schedule =>
  () =>
    lr;
