/** The steps that a recipe can hold, by name. */

import type { Step } from '../step.ts';
import { collapse } from './collapse.ts';
import { distill } from './distill.ts';
import { drop } from './drop.ts';
import { factorize } from './factorize.ts';
import { prune } from './prune.ts';
import { quantize } from './quantize.ts';
import { simplify } from './simplify.ts';
import { store } from './store.ts';
import { tune } from './tune.ts';

export const steps = { simplify, tune, prune, drop, collapse, factorize, distill, quantize, store } satisfies Record<
  string,
  Step
>;
export type StepName = keyof typeof steps;
