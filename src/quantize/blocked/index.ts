/** The ways to choose codes by name. A new one is a file and a row here. */

import { roundToNearest } from '../blocks.ts';
import { gptq, pulls } from './gptq.ts';
import { hqq } from './hqq.ts';
import type { BlockedMethod } from './method.ts';

export type { BlockedMethod } from './method.ts';

export const blockedMethods = {
  nearest: {
    about: 'to the nearest code',
    isSymmetric: true,
    run: (w, shape, isSymmetric) => roundToNearest(w, shape, isSymmetric),
  },
  hqq: {
    about: 'zero points fitted to the bulk of the weights; no samples',
    isSymmetric: false,
    run: (w, shape) => hqq(w, shape),
  },
  gptq: {
    about: "each weight's error made up for by those that follow; samples, no labels",
    isSymmetric: true,
    learn: pulls,
    run: (w, shape, isSymmetric, learnt, product) =>
      learnt ? gptq(w, shape, isSymmetric, learnt, product) : roundToNearest(w, shape, isSymmetric),
  },
  awq: {
    about: 'to the nearest code, inputs scaled so that salient weights err less; samples, no labels',
    scalesInputs: true,
    isSymmetric: true,
    run: (w, shape, isSymmetric) => roundToNearest(w, shape, isSymmetric),
  },
} as const satisfies Record<string, BlockedMethod>;

export type BlockedMethodName = keyof typeof blockedMethods;
