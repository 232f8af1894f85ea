/** The ways to choose codes by name. A new one is a file and a row here. */

import { roundToNearest } from '../blocks.ts';
import { gptq } from './gptq.ts';
import { hqq } from './hqq.ts';
import type { BlockedMethod } from './method.ts';

export type { BlockedMethod } from './method.ts';

export const blockedMethods = {
  nearest: {
    about: 'to the nearest code',
    needsMoments: false,
    isSymmetric: true,
    run: (w, shape, isSymmetric) => roundToNearest(w, shape, isSymmetric),
  },
  hqq: {
    about: 'zero points fitted to the bulk of the weights; no samples',
    needsMoments: false,
    isSymmetric: false,
    run: (w, shape) => hqq(w, shape),
  },
  gptq: {
    about: "each weight's error made up for by those that follow; samples, no labels",
    needsMoments: true,
    isSymmetric: true,
    run: (w, shape, isSymmetric, moments) => gptq(w, shape, isSymmetric, moments!),
  },
  awq: {
    about: 'to the nearest code, inputs scaled so that salient weights err less; samples, no labels',
    needsMoments: true,
    scalesInputs: true,
    isSymmetric: true,
    run: (w, shape, isSymmetric) => roundToNearest(w, shape, isSymmetric),
  },
} as const satisfies Record<string, BlockedMethod>;

export type BlockedMethodName = keyof typeof blockedMethods;
