/** Learning after a cut: the flags, and what they ask of `fit`. */

import { PareError } from '../../src/base/error.ts';
import type { FitOptions } from '../../src/train/index.ts';
import { type OptimizerName, optimizers } from '../../src/train/optim/index.ts';
import { cosine } from '../../src/train/schedule/index.ts';
import { number, oneOf, percent } from '../arg.ts';
import type { Sets } from '../sets.ts';

export const tuneArgs = {
  finetuneEpochs: number('Passes over the data after the last cut.', { min: 0, whole: true }, 0),
  stepEpochs: number('Passes over the data after every other cut.', { min: 0, whole: true }, 1),
  sparseEpochs: number(
    'Passes over the data, before the first cut, that pull weak channels to zero.',
    { min: 0, whole: true },
    0,
  ),
  distill: percent("Share of the loss that comes from the dense model's answers; 90%, or all without labels."),
  batch: number('Samples per step.', { min: 1, whole: true }),
  optimizer: oneOf(optimizers, 'How weights follow their slopes.', 'adam'),
  lr: number('Learning rate, at its peak; it falls along a cosine after every cut.', { min: 0 }, 1e-3),
} as const;

export interface TuneValues {
  readonly finetuneEpochs: number;
  readonly stepEpochs: number;
  readonly distill: number | undefined;
  readonly batch: number | undefined;
  readonly optimizer: OptimizerName;
  readonly lr: number;
}

/** How to learn, as `fit` takes it, with validation data where there are labels to score. */
export function tuning(
  { finetuneEpochs, batch, optimizer, lr }: TuneValues,
  sets: Sets | undefined,
): Omit<FitOptions, 'epochs' | 'loss'> {
  if (finetuneEpochs > 0 && !sets?.train)
    throw new PareError('usage/missing', 'Fine-tuning needs samples; labels are not needed.', {
      expected: '--data SPEC',
    });
  return {
    optimizer: (updates: number) => optimizers[optimizer]({ lr: cosine(lr, updates) }),
    ...(batch !== undefined && { batch }),
    ...(sets?.validation?.labels && { validation: sets.validation }),
  };
}
