/** Samples between samples: each with a part of another one mixed in, which leaves the greater part its own. */

import { random } from '../base/random.ts';
import type { Dataset } from './dataset.ts';
import { changedEachEpoch } from './each-epoch.ts';

/**
 * The data set with every sample x_i as λ · x_i + (1 − λ) · x_j, afresh in every epoch of training: j is any sample, λ from 1/2 to 1. All float32
 * inputs of a sample are mixed alike; other inputs and labels stay.
 *
 * Source   Zhang et al. 2018, "mixup", arXiv:1710.09412; with a teacher's answers for labels, Beyer et al. 2022, arXiv:2106.05237.
 */
export const blend = (dataset: Dataset, { seed = 0 } = {}): Dataset =>
  changedEachEpoch(dataset, ({ name, indices, into }, base, epoch) => {
    const column = base.inputs[name];
    if (!column || column.dtype !== 'float32' || column.whole || column.batchAxis !== undefined) return;
    const mixed = into as Float32Array;
    const width = mixed.length / indices.length;
    const other = new Float32Array(width);
    for (let i = 0; i < indices.length; i++) {
      const draw = random(seed, `blend/${epoch}/${indices[i]}`);
      const [partner, own] = [draw.integer(base.size), 0.5 + draw.uniform() / 2];
      base.fill(name, [partner], other);
      for (let k = 0; k < width; k++) mixed[i * width + k] = own * mixed[i * width + k]! + (1 - own) * other[k]!;
    }
  });
