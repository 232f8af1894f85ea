/** Distillation losses by name. */

import type { Loss } from '../../train/loss/loss.ts';
import { attention } from './attention.ts';
import { contrast } from './contrast.ts';
import { decoupled } from './decoupled.ts';
import type { Pair } from './feature.ts';
import { hints } from './hints.ts';
import { matchOutputs } from './match-outputs.ts';
import { probabilistic } from './probabilistic.ts';
import { relations } from './relations.ts';
import { similarity } from './similarity.ts';
import { softTargets } from './soft-targets.ts';

/** Losses on the outputs, by the name that command line and recipes accept; all options have defaults. */
export const distillLosses = { 'soft-targets': softTargets, dkd: decoupled, mse: matchOutputs } as const;

export type DistillLossName = keyof typeof distillLosses;

/** A loss on inner values, the weight that its authors' recipes give it, and whether it reads adapted values. */
export interface FeatureLoss {
  readonly loss: (pairs: readonly Pair[]) => Loss;
  readonly weight: number;
  readonly adapts: boolean;
}

/** Losses on pairs of inner values, by name. */
export const featureLosses = {
  hints: { loss: hints, weight: 100, adapts: true },
  attention: { loss: attention, weight: 1000, adapts: false },
  similarity: { loss: similarity, weight: 3000, adapts: false },
  relations: { loss: relations, weight: 1, adapts: false },
  probabilistic: { loss: probabilistic, weight: 30000, adapts: false },
  contrast: { loss: contrast, weight: 0.8, adapts: true },
} as const satisfies Record<string, FeatureLoss>;

export type FeatureLossName = keyof typeof featureLosses;

export { attention } from './attention.ts';
export { contrast } from './contrast.ts';
export { type DecoupledOptions, decoupled } from './decoupled.ts';
export type { Pair } from './feature.ts';
export { hints } from './hints.ts';
export { matchOutputs } from './match-outputs.ts';
export { probabilistic } from './probabilistic.ts';
export { type RelationOptions, relations } from './relations.ts';
export { similarity } from './similarity.ts';
export { softTargets, TEACHER } from './soft-targets.ts';
