/** Losses by name. */

import type { Task } from '../../data/dataset.ts';
import { binaryCrossEntropy } from './binary-cross-entropy.ts';
import { cosineDistance } from './cosine.ts';
import { crossEntropy } from './cross-entropy.ts';
import { focal } from './focal.ts';
import { huber } from './huber.ts';
import { klDivergence } from './kl-divergence.ts';
import type { Loss } from './loss.ts';
import { meanAbsoluteError } from './mean-absolute-error.ts';
import { meanSquaredError } from './mean-squared-error.ts';
import { triplet } from './triplet.ts';

/** Every loss by the name that command line, recipes and `fit` accept; all options have defaults. */
export const losses = {
  'cross-entropy': crossEntropy,
  bce: binaryCrossEntropy,
  focal,
  mse: meanSquaredError,
  mae: meanAbsoluteError,
  huber,
  kl: klDivergence,
  cosine: cosineDistance,
  triplet,
} as const;

/** The usual loss: cross-entropy for classes, the mean squared error for numbers. */
export const lossFor = (task: Task): Loss => (task === 'regression' ? meanSquaredError() : crossEntropy());

export { type BinaryCrossEntropyOptions, binaryCrossEntropy } from './binary-cross-entropy.ts';
export { cosineDistance } from './cosine.ts';
export { type CrossEntropyOptions, crossEntropy } from './cross-entropy.ts';
export { type CtcOptions, ctc } from './ctc.ts';
export { type FocalOptions, focal } from './focal.ts';
export { type HuberOptions, huber } from './huber.ts';
export { type InfoNceOptions, infoNce } from './info-nce.ts';
export { klDivergence } from './kl-divergence.ts';
export { inUnitsOf, type Loss, type Outcome, weightedSum } from './loss.ts';
export { meanAbsoluteError } from './mean-absolute-error.ts';
export { meanSquaredError } from './mean-squared-error.ts';
export { type TripletOptions, triplet } from './triplet.ts';
