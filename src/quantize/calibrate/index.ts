/** The calibrators by name. A new one is a file and a row here. */

import type { Calibrator } from './calibrator.ts';
import { entropy } from './entropy.ts';
import { minmax } from './minmax.ts';
import { movingAverage } from './moving-average.ts';
import { mse } from './mse.ts';
import { percentile } from './percentile.ts';

export type { Calibrator } from './calibrator.ts';
export { entropy, minmax, movingAverage, mse, percentile };

export const calibrators = {
  minmax: () => minmax() as Calibrator,
  'moving-average': () => movingAverage() as Calibrator,
  percentile: () => percentile() as Calibrator,
  entropy: () => entropy() as Calibrator,
  mse: () => mse() as Calibrator,
} as const;

export type CalibratorName = keyof typeof calibrators;
