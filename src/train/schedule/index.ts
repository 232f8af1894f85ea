/** Learning rate schedules by name. Each gives the rate of a step, counted from 0, and remembers nothing. */

import { constant } from './constant.ts';
import { cosine, cosineRestarts } from './cosine.ts';
import { exponential } from './exponential.ts';
import { oneCycle } from './one-cycle.ts';
import { polynomial } from './polynomial.ts';
import { multiStep, stepDecay } from './step.ts';

/** Every schedule that is a pure function of the step; `warmUp` wraps them, `plateau` answers to a measure instead. */
export const schedules = {
  constant,
  step: stepDecay,
  'multi-step': multiStep,
  exponential,
  polynomial,
  cosine,
  'cosine-restarts': cosineRestarts,
  'one-cycle': oneCycle,
} as const;

export type ScheduleName = keyof typeof schedules;

export { constant } from './constant.ts';
export { cosine, cosineRestarts } from './cosine.ts';
export { exponential } from './exponential.ts';
export { type OneCycleOptions, oneCycle } from './one-cycle.ts';
export { type Plateau, type PlateauOptions, type PlateauState, plateau } from './plateau.ts';
export { polynomial } from './polynomial.ts';
export { type Rate, rateAt, type Schedule } from './schedule.ts';
export { multiStep, stepDecay } from './step.ts';
export { warmUp } from './warm-up.ts';
