/**
 * Pruning with learning in between: cut a little, learn from the data and from the dense model, cut again.
 *
 *   cut → (fine-tune | distil from the dense model) → cut → … → learn for longer
 */

import type { Dataset } from '../data/index.ts';
import { distill, type Recorded, type Recording, record } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import { type GradualOptions, groupSparse, type Pruned, pruneGradually, type Step } from '../prune/index.ts';
import type { Lab } from '../runtime/index.ts';
import { adam, cosine, crossEntropy, type EpochReport, type FitOptions, fit } from '../train/index.ts';

export interface PruneAndTuneOptions extends Omit<GradualOptions, 'after' | 'data'> {
  /** What criteria look at, and what is learned from. */
  data: Dataset;
  /** Passes over the data after the last cut. Default 3. */
  epochs?: number | undefined;
  /** Passes over the data after every other cut. Default 1. */
  epochsBetween?: number | undefined;
  /** Share of the loss that comes from the dense model's answers, 0 to 1. Default 0.9; 1 where there are no labels. */
  distill?: number | undefined;
  /** Passes over the data with weak channels pulled to zero, before the first cut; needs labels. Default 0. */
  sparseEpochs?: number | undefined;
  /** What the pruned model learns from. Default: the model as it was given. */
  teacher?: Model | undefined;
  /** Batch, optimiser, validation and the rest of `fit`. Default: Adam, cosine from 1e-3. */
  fit?: Omit<FitOptions, 'epochs' | 'loss'> | undefined;
}

export interface Tuned extends Pruned {
  readonly steps: readonly Step[];
  /** The epochs after each step, in order. */
  readonly epochs: readonly EpochReport[];
}

/**
 * Prunes to the budget in `steps` (default 1) and learns after each.
 *
 * Samples that change from epoch to epoch are shown to the dense model at every step; others are shown once, and
 * its answers kept. Throws what `pruneGradually`, `fit` and `distill` throw.
 */
export async function pruneAndTune(model: Model, options: PruneAndTuneOptions, lab: Lab): Promise<Tuned> {
  const {
    epochs = 3,
    epochsBetween = 1,
    sparseEpochs = 0,
    teacher = model,
    fit: how = {},
    steps = 1,
    ...rest
  } = options;
  const { data } = options;
  const share = data.labels ? (options.distill ?? 0.9) : 1;
  const isLive = data.atEpoch !== undefined;
  let recorded: Recorded | Recording | undefined;
  const reports: EpochReport[] = [];
  const after = async (small: Model, { number, of }: Step): Promise<Model> => {
    const passes = number === of ? epochs : epochsBetween;
    if (passes === 0) return small;
    const optimizer = (updates: number) => adam({ lr: cosine(1e-3, updates) });
    const learning = { optimizer, ...how, epochs: passes };
    if (share > 0 && !isLive)
      recorded ??= await record(teacher, data, lab, learning.batch ? { batch: learning.batch } : {});
    const { model: learnt, report } =
      share > 0
        ? await distill(
            small,
            teacher,
            data,
            { ...learning, labels: 1 - share, ...(recorded ? { recorded } : { live: true }) },
            lab,
          )
        : await fit(small, data, learning, lab);
    reports.push(...report.epochs);
    return learnt;
  };
  let start = model;
  for (let epoch = 0; epoch < sparseEpochs; epoch++) {
    // Strengths change: the pull is told anew for every epoch.
    const pulled = await groupSparse(start, crossEntropy(), {}, lab);
    const learnt = await fit(pulled.model, data, { ...how, epochs: 1, loss: pulled.loss }, lab);
    start = learnt.model;
    reports.push(...learnt.report.epochs);
  }
  const pruned = await pruneGradually(start, { ...rest, steps, after }, lab);
  return { ...pruned, epochs: reports };
}
