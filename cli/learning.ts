/** What the verbs that learn have in common: their flags, and how they become options of `fit`. */

import type { FitOptions } from '../src/train/index.ts';
import { optimizers } from '../src/train/optim/index.ts';
import { schedules } from '../src/train/schedule/index.ts';
import { number, oneOf } from './arg.ts';

/** Schedules that need no more than a rate and a number of steps. */
const RATES = { constant: schedules.constant, cosine: schedules.cosine } as const;

export const learningArgs = {
  epochs: number('Passes over the data.', { min: 1, whole: true }, 5),
  batch: number('Samples per step.', { min: 1, whole: true }),
  optimizer: oneOf(optimizers, 'How weights follow their slopes.', 'adam'),
  lr: number('Learning rate, at its peak.', { min: 0 }, 1e-3),
  schedule: oneOf(RATES, 'How the learning rate goes over the steps.', 'cosine'),
  patience: number('Stop after this many epochs without a better validation score.', { min: 1, whole: true }),
} as const;

export interface LearningValues {
  readonly epochs: number;
  readonly batch: number | undefined;
  readonly optimizer: keyof typeof optimizers;
  readonly lr: number;
  readonly schedule: keyof typeof RATES;
  readonly patience: number | undefined;
}

/** The flags as options of `fit`. */
export function fitOptions({ epochs, batch, optimizer, lr, schedule, patience }: LearningValues): FitOptions {
  return {
    epochs,
    optimizer: (steps: number) =>
      optimizers[optimizer]({ lr: schedule === 'constant' ? RATES.constant(lr) : RATES.cosine(lr, steps) }),
    ...(batch !== undefined && { batch }),
    ...(patience !== undefined && { patience }),
  };
}
