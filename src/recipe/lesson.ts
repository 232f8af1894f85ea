/** What every step that learns takes, and what it makes of that: samples, batch, optimiser. */

import { type Dataset, take } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, type FitReport, fit, taskOf } from '../train/index.ts';
import { changes } from './copies.ts';
import { amount, count, oneOf, type ValuesOf } from './option.ts';
import { type TunerName, tuners } from './tuner.ts';

/** Options of a lesson. */
export const lesson = {
  epochs: count('passes over the samples', 3),
  batch: count('samples per step', 64),
  optimizer: oneOf(tuners, 'how weights move', 'adam'),
  lr: amount("peak learning rate, which falls as a cosine; default: the optimiser's own"),
  samples: count('learn from this many at most'),
  augment: oneOf(
    changes,
    'learn from changed samples, too: images shifted, or flipped and shifted; others with a part of another one',
  ),
};
export type LessonValues = ValuesOf<typeof lesson>;

/** Gradients are no longer than this. */
const CLIP = 5;

/** Batch, passes and optimiser as `fit` takes them; the best epoch on `validation` is kept, where that has labels. */
export function howToFit(
  { epochs, batch, optimizer, lr }: Pick<LessonValues, 'epochs' | 'batch' | 'optimizer' | 'lr'>,
  data: Dataset,
  validation: Dataset | undefined,
): Omit<FitOptions, 'loss'> {
  const tuner = tuners[optimizer as TunerName];
  return {
    epochs,
    batch: Math.min(batch, data.size),
    optimizer: (updates: number) => tuner.make(lr ?? tuner.lr, updates),
    clipNorm: CLIP,
    ...(validation && validation.task !== 'unlabelled' && { validation }),
  };
}

/** A lesson from labels alone; images change anew in every epoch, where they are to change. Throws what `fit` throws. */
export async function learnLabels(
  model: Model,
  { samples, augment: change, ...values }: LessonValues,
  learn: Dataset,
  validation: Dataset | undefined,
  lab: Lab,
): Promise<{ model: Model; report: FitReport }> {
  const some = samples === undefined ? learn : take(learn, samples);
  const data = change === undefined ? some : changes[change](some, lab.seed ?? 0);
  const { loss, metric } = taskOf(model, some);
  return await fit(model, data, { ...howToFit(values, data, validation), loss, metric }, lab);
}

/** For people: which epoch was kept, and its loss. */
export function toldOf({ epochs, kept }: FitReport, passes: number): string {
  const last = epochs[kept];
  return `epoch ${kept + 1} of ${passes} kept${last ? `, loss ${last.loss.toPrecision(3)}` : ''}`;
}
