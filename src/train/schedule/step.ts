/** The learning rate falls by a factor at regular steps, or at chosen ones. */

import type { Schedule } from './schedule.ts';

/** lr · factor^⌊step / every⌋; factor 0.1 unless said otherwise. PyTorch's StepLR. */
export const stepDecay =
  (lr: number, { every, factor = 0.1 }: { every: number; factor?: number }): Schedule =>
  (step) =>
    lr * factor ** Math.floor(step / every);

/** lr · factor for each milestone that is reached; factor 0.1 unless said otherwise. PyTorch's MultiStepLR. */
export const multiStep =
  (lr: number, { milestones, factor = 0.1 }: { milestones: readonly number[]; factor?: number }): Schedule =>
  (step) =>
    lr * factor ** milestones.filter((milestone) => step >= milestone).length;
