/** The roundings by name. A new one is a file and a row here. */

import { adaround } from './adaround.ts';
import { brecq } from './brecq.ts';
import { nearest } from './nearest.ts';
import type { Rounding } from './rounding.ts';
import { seqMse } from './seq-mse.ts';

export type { Rounding, RoundingTask } from './rounding.ts';

export const roundings = {
  nearest,
  'seq-mse': seqMse,
  adaround,
  brecq,
} as const satisfies Record<string, Rounding>;

export type RoundingName = keyof typeof roundings;
