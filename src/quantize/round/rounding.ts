/** What a rounding is: it chooses the integers of weights, and their scales, with samples at hand. */

import type { Dataset } from '../../data/dataset.ts';
import type { Lab } from '../../runtime/index.ts';
import type { Calibrated, WriteOptions } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';

/** What a rounding works on. */
export interface RoundingTask {
  readonly calibrated: Calibrated;
  /** Bits, scales per channel or tensor, and what stays float. */
  readonly options: WriteOptions;
  readonly data: Dataset;
  /** Numbers of the samples that may be used. */
  readonly samples: Int32Array;
  /** Updates for each layer or block, where something is trained. Default 1000. */
  readonly iterations?: number;
}

export interface Rounding {
  readonly about: string;
  /** Does it already make up for the shift of means, so that bias correction would do it twice? */
  readonly settlesBias: boolean;
  /** Is something trained, by `iterations` updates? */
  readonly learns?: true;
  /** Codes and scales by the weight's name; weights that are left out are rounded to nearest. */
  readonly run: (task: RoundingTask, lab: Lab) => Promise<ReadonlyMap<string, Weights>>;
}
