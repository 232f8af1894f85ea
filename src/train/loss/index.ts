/** Losses by name. */

import { crossEntropy } from './cross-entropy.ts';
import { meanSquaredError } from './mean-squared-error.ts';

/** Every loss by the name that command line, recipes and `fit` accept; all options have defaults. */
export const losses = { 'cross-entropy': crossEntropy, mse: meanSquaredError } as const;

export { type CrossEntropyOptions, crossEntropy } from './cross-entropy.ts';
export { type Loss, type Outcome, weightedSum } from './loss.ts';
export { meanSquaredError } from './mean-squared-error.ts';
