/** A thinned-out model learns, and its zeros stay. */

import type { Dataset } from '../data/index.ts';
import { distill as distillModel } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import { type Sparse, withMasks, withoutMasks } from '../prune/index.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, fit as fitModel } from '../train/index.ts';

export interface TuneMaskedOptions {
  /** Passes over the data. Default 3. */
  epochs?: number | undefined;
  /** Share of the loss that comes from the dense model's answers. Default 0.9; 1 where there are no labels. */
  distill?: number | undefined;
  /** Batch, optimiser, validation and the rest of `fit`. */
  fit?: Omit<FitOptions, 'epochs' | 'loss'> | undefined;
}

/** The sparse model after learning from the data and the dense model. Throws what `fit` and `distill` throw. */
export async function tuneMasked(
  { model, masks }: Pick<Sparse, 'model' | 'masks'>,
  dense: Model,
  data: Dataset,
  { epochs = 3, distill = 0.9, fit = {} }: TuneMaskedOptions,
  lab: Lab,
): Promise<Model> {
  const masked = withMasks(model, masks);
  const share = data.labels ? distill : 1;
  const options = { ...fit, epochs, learns: (name: string) => !masked.isMask(name) };
  const { model: learnt } =
    share > 0
      ? await distillModel(masked.model, dense, data, { ...options, labels: 1 - share }, lab)
      : await fitModel(masked.model, data, options, lab);
  return withoutMasks(model, learnt, masks);
}
