/** Rewriting graphs: patterns, rules, and the sets of rules that other rooms ask for. */

import type { Model } from '../graph/model.ts';
import { applyRules, type Rewritten } from './apply.ts';
import { rules } from './rules/index.ts';

export { applyRules, type RewriteReport, type Rewritten } from './apply.ts';
export type { Firing, PatternRule, Rule, RuleSample, SweepRule } from './rule.ts';
export { type RuleName, rules } from './rules/index.ts';

/**
 * Every BatchNormalization that stands next to a layer becomes part of its weights; outputs stay the same to rounding.
 * The report names each one that stays, and why.
 */
export const foldBatchNorm = (model: Model): Rewritten =>
  applyRules(model, [rules['fold-batch-norm'], rules['fold-batch-norm-ahead']]);
