/** Optimisers by name, and the pieces to make one's own. */

import { adadelta } from './adadelta.ts';
import { adafactor } from './adafactor.ts';
import { adagrad } from './adagrad.ts';
import { adam } from './adam.ts';
import { adamax } from './adamax.ts';
import { adamw } from './adamw.ts';
import { lamb } from './lamb.ts';
import { lars } from './lars.ts';
import { lion } from './lion.ts';
import { muon } from './muon.ts';
import { nadam } from './nadam.ts';
import { radam } from './radam.ts';
import { rmsprop } from './rmsprop.ts';
import { scheduleFree } from './schedule-free.ts';
import { sgd } from './sgd.ts';
import { shampoo } from './shampoo.ts';

/** Every optimiser by the name that command line, recipes and `fit` accept; all options have defaults. */
export const optimizers = {
  sgd,
  adam,
  adamw,
  rmsprop,
  adagrad,
  adadelta,
  adamax,
  nadam,
  radam,
  lion,
  lamb,
  lars,
  'schedule-free': scheduleFree,
  adafactor,
  muon,
  shampoo,
} as const;

export type OptimizerName = keyof typeof optimizers;

export { type AdadeltaOptions, adadelta } from './adadelta.ts';
export { type AdafactorOptions, adafactor } from './adafactor.ts';
export { type AdagradOptions, adagrad } from './adagrad.ts';
export { type AdamOptions, type AdamRuleOptions, adam, adamRule } from './adam.ts';
export { type AdamaxOptions, adamax } from './adamax.ts';
export { type AdamwOptions, adamw } from './adamw.ts';
export { type Arena, createArena, type ParameterSpec, type Placement } from './arena.ts';
export { type EmaOptions, ema, type SwaOptions, swa } from './average.ts';
export { clipAdaptively, clipByNorm, clipByValue } from './clip.ts';
export type { ParameterGroup } from './execute.ts';
export { type Builder, type Expression, evaluate, type Term } from './expression.ts';
export { type LambOptions, lamb, trust } from './lamb.ts';
export { type LarsOptions, lars } from './lars.ts';
export type { Link, RuleBuilder } from './link.ts';
export { type LionOptions, lion } from './lion.ts';
export { type LookaheadOptions, lookahead } from './lookahead.ts';
export type { MatrixRule, MatrixState } from './matrix.ts';
export { type MuonOptions, muon } from './muon.ts';
export { type NadamOptions, nadam } from './nadam.ts';
export { type RadamOptions, radam } from './radam.ts';
export { type RmspropOptions, rmsprop, rmspropRule } from './rmsprop.ts';
export type { OptimizerState, RunningOptimizer, StepOptions } from './running.ts';
export { type SamOptions, sam } from './sam.ts';
export { type ScheduleFreeOptions, scheduleFree } from './schedule-free.ts';
export { mapSegments, sumSegments } from './segment.ts';
export { type SgdOptions, sgd } from './sgd.ts';
export { type ShampooOptions, shampoo } from './shampoo.ts';
export {
  addDecay,
  apply,
  chain,
  descend,
  every,
  type Optimizer,
  rule,
  scale,
  scheduled,
  uniform,
} from './transform.ts';
