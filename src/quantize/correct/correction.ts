/** What a bias correction is: it finds out by how much quantising moves each layer's mean. */

import type { Dataset } from '../../data/dataset.ts';
import type { Model } from '../../graph/model.ts';
import type { Lab } from '../../runtime/index.ts';
import type { Calibrated, WriteOptions } from '../calibrated.ts';
import type { InsertOptions } from '../insert.ts';

export interface CorrectionTask {
  /** The model as it came, before batch norms were folded. */
  readonly original: Model;
  readonly calibrated: Calibrated;
  readonly options: WriteOptions;
  readonly data: Dataset;
  readonly samples: Int32Array;
}

export interface Correction {
  readonly about: string;
  /** What the writing of the quantised model needs to know. */
  readonly run: (task: CorrectionTask, lab: Lab) => Promise<Pick<InsertOptions, 'inputMeans' | 'biasShifts'>>;
}
