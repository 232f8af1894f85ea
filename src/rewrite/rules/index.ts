/** The table of rewrite rules. A new rule is one file here and one row. */

import type { Rule } from '../rule.ts';
import { foldBatchNorm } from './fold-batch-norm.ts';
import { foldBatchNormAhead } from './fold-batch-norm-ahead.ts';

/** Every rule, by name, in the order in which they are tried. */
export const rules = {
  'fold-batch-norm': foldBatchNorm,
  'fold-batch-norm-ahead': foldBatchNormAhead,
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;
