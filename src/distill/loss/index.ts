/** Distillation losses by name. */

import { matchOutputs } from './match-outputs.ts';
import { softTargets } from './soft-targets.ts';

export const distillLosses = { 'soft-targets': softTargets, mse: matchOutputs } as const;

export { matchOutputs } from './match-outputs.ts';
export { softTargets, TEACHER } from './soft-targets.ts';
