/** Names of the options of every optimiser, for those who read them from words: command line and recipes. */

import type { OptimizerName, optimizers } from './index.ts';

type OptionsOf<K extends OptimizerName> = keyof NonNullable<Parameters<(typeof optimizers)[K]>[0]>;

const MOMENTS = ['b1', 'b2', 'eps'] as const;
const ADAM = [...MOMENTS, 'biasCorrection', 'epsOn', 'amsgrad', 'decay'] as const;

/** The learning rate, `lr`, is an option of all and not listed. */
export const optimizerOptions = {
  sgd: ['momentum', 'dampening', 'nesterov', 'decay', 'velocity'],
  adam: ADAM,
  adamw: ADAM,
  rmsprop: ['keep', 'eps', 'epsOn', 'centered', 'firstMoment', 'momentum', 'velocity', 'decay'],
  adagrad: ['rateDecay', 'initial', 'eps', 'epsOn', 'decay'],
  adadelta: ['keep', 'eps', 'decay'],
  adamax: [...MOMENTS, 'epsOn', 'decay'],
  nadam: [...MOMENTS, 'momentumDecay', 'decay', 'decoupled'],
  radam: [...MOMENTS, 'decay', 'decoupled'],
  lion: ['b1', 'b2', 'decay'],
  lamb: ADAM,
  lars: ['momentum', 'decay', 'trust', 'eps'],
  'schedule-free': [...MOMENTS, 'decay', 'power'],
  adafactor: ['rateDecay', 'least', 'clip', 'decay'],
  muon: ['momentum', 'nesterov', 'decay', 'iterations', 'others'],
  shampoo: ['momentum', 'keep', 'eps', 'every', 'most', 'decay'],
} as const satisfies { readonly [K in OptimizerName]: readonly OptionsOf<K>[] };
