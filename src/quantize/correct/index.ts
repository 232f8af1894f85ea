/** The bias corrections by name. A new one is a file and a row here. */

import { analytic } from './analytic.ts';
import type { Correction } from './correction.ts';
import { fast } from './fast.ts';
import { full } from './full.ts';

export type { Correction, CorrectionTask } from './correction.ts';

const none: Correction = { about: 'biases stay as they are', run: async () => ({ biasShifts: new Map() }) };

export const corrections = { none, analytic, fast, full } as const satisfies Record<string, Correction>;

export type CorrectionName = keyof typeof corrections;
