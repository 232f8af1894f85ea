/** Recipes for common ends, to start from: each is a list of steps that a person can edit. */

import type { StepCall } from './recipe.ts';

/** What each is for stands beside it; `pare optimize` looks for something better, these are there at once. */
export const presets: Readonly<Record<'web' | 'server' | 'tiny', readonly StepCall[]>> = {
  /** Browsers: integers that travel to any processor. */
  web: [{ step: 'simplify' }, { step: 'quantize', pairSafe: true, calibrate: 'mse' }],
  /** Servers: speed first. */
  server: [
    { step: 'prune', keepMacs: 0.5 },
    { step: 'distill', epochs: 5 },
    { step: 'simplify' },
    { step: 'quantize' },
  ],
  /** Devices: bytes first. */
  tiny: [
    { step: 'prune', keepMacs: 0.4, keepParameters: 0.4 },
    { step: 'distill', epochs: 5 },
    { step: 'prune', keepMacs: 0.4, keepParameters: 0.4 },
    { step: 'distill', epochs: 10 },
    { step: 'simplify' },
    { step: 'quantize' },
  ],
};
export type RecipeName = keyof typeof presets;
