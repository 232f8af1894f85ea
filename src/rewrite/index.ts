/** Rewriting graphs: patterns, rules, and the sets of rules that other rooms ask for. */

import type { Model } from '../graph/model.ts';
import { applyRules, type Rewritten } from './apply.ts';
import { applyChecked, type Checked, type CheckOptions, difference, toleranceOf } from './checked.ts';
import { type Evaluate, foldConstants } from './fold-constants.ts';
import type { Rule } from './rule.ts';
import { type RuleName, rules } from './rules/index.ts';

export { applyRules, type RewriteReport, type Rewritten } from './apply.ts';
export { applyChecked, type Checked, type CheckOptions, difference } from './checked.ts';
export { type Evaluate, type FoldOptions, foldConstants } from './fold-constants.ts';
export type { Firing, PatternRule, Rule, RuleSample, SweepRule } from './rule.ts';
export { type RuleName, rules } from './rules/index.ts';

/** Rules that bring a model into a form for one purpose: they add nodes, or make a compact op that runs no faster. */
const SPECIAL: readonly RuleName[] = [
  'batch-norm-to-conv',
  'merge-interleaved',
  'gemm-to-matmul-add',
  'hard-swish-to-clip',
  'hard-swish-times-six',
  'split-max-pool',
  'flatten-channels-last',
  'pad-to-projection',
  'scale-ahead',
  'scale-through-attention',
  'attention',
  'packed-attention',
];

/** The rules of `simplify`: all that never add arithmetic. */
export const SIMPLIFYING: readonly RuleName[] = (Object.keys(rules) as RuleName[]).filter(
  (name) => !SPECIAL.includes(name),
);

const named = (chosen: readonly (RuleName | Rule)[]): Rule[] =>
  chosen.map((rule) => (typeof rule === 'string' ? rules[rule] : rule));

/**
 * The model after these rules, by name or as rules; default all that never add arithmetic.
 *
 * @example
 * rewrite(model, ['drop-identity', 'fold-scale']).report.fired
 */
export const rewrite = (model: Model, chosen: readonly (RuleName | Rule)[] = SIMPLIFYING): Rewritten =>
  applyRules(model, named(chosen));

/** The same computation in fewer nodes and multiplications: every exact rule, to a fixed point. */
export const simplify = (model: Model): Rewritten => rewrite(model);

/** As `rewrite`, checked on samples; rules that change the outputs beyond `tolerance` are taken back. */
export const rewriteChecked = (
  model: Model,
  options: CheckOptions,
  chosen: readonly (RuleName | Rule)[] = SIMPLIFYING,
): Promise<Checked> => applyChecked(model, named(chosen), options);

/** What a computed constant may add to the file: a shape or a scalar, and no weight that a fill made for nothing. */
const GROWTH = 256;

/**
 * As `rewriteChecked`, by default with every rule that simplifies; then sub-graphs of constants are computed, and the rules run
 * again on what that laid open. All of it is compared with the original.
 */
export async function simplifyChecked(
  model: Model,
  { evaluate, ...check }: CheckOptions & { evaluate: Evaluate },
  chosen: readonly (RuleName | Rule)[] = SIMPLIFYING,
): Promise<Checked> {
  const expected = check.run(model);
  const first = await rewriteChecked(
    model,
    { ...check, run: (one) => (one === model ? expected : check.run(one)) },
    chosen,
  );
  const folded = await foldConstants(first.model, evaluate, { maxGrowthBytes: GROWTH });
  if (folded.report.fired.length === 0) return first;
  const second = await rewriteChecked(folded.model, check, chosen);
  const relativeError = difference(await check.run(second.model), await expected);
  if (!(relativeError <= (check.tolerance ?? toleranceOf(model)))) return first;
  const fired = [first, folded, second].flatMap(({ report }) => report.fired);
  const missed = [...second.report.missed, ...folded.report.missed];
  const reverted = [...first.reverted, ...second.reverted];
  return { model: second.model, report: { fired, missed }, relativeError, reverted };
}

/**
 * Every BatchNormalization that stands next to a layer becomes part of its weights; outputs stay the same to rounding.
 * The report names each one that stays, and why.
 */
export const foldBatchNorm = (model: Model): Rewritten => rewrite(model, ['fold-batch-norm', 'fold-batch-norm-ahead']);
