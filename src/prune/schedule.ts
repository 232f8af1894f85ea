/** Pruning in several steps, with whatever the caller does between them: fine-tuning, distillation. */

import { PareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import type { Keep } from './choose.ts';
import { type Pruned, type PruneOptions, prune } from './prune.ts';

/** The share that stays after each of n steps, from 1 (exclusive) to the final share (inclusive). */
export type Schedule = (final: number, steps: number) => number[];

const steps = (count: number, at: (t: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => at((i + 1) / count));

/** The same difference in each step. */
export const linear: Schedule = (final, count) => steps(count, (t) => 1 + (final - 1) * t);

/**
 * Much at first, little at the end: keep(t) = final + (1 − final)(1 − t)³.
 *
 * Source   Zhu & Gupta 2018, "To prune, or not to prune", arXiv:1710.01878 (AGP), with the share kept in place of sparsity.
 */
export const cubic: Schedule = (final, count) => steps(count, (t) => final + (1 - final) * (1 - t) ** 3);

/** The same factor in each step. */
export const geometric: Schedule = (final, count) => steps(count, (t) => final ** t);

export const schedules = { linear, cubic, geometric } satisfies Record<string, Schedule>;

export interface GradualOptions extends PruneOptions {
  /** Default 4. */
  steps?: number;
  /** Default cubic. */
  schedule?: Schedule;
  /** What happens to the model after each step but the last; it must keep its inputs' and outputs' names. */
  between?: (
    model: Model,
    step: { readonly number: number; readonly of: number; readonly share: number },
  ) => Promise<Model>;
}

/**
 * Prunes step by step to the share in `keep`, each step measured against the model it began with.
 *
 * The last step's result is handed back as it is; the reports of all steps come with it.
 * Throws   option/steps when `steps` is not a positive whole number; otherwise as `prune`.
 */
export async function pruneGradually(
  model: Model,
  { steps: count = 4, schedule = cubic, between = async (same) => same, ...options }: GradualOptions,
  lab: Lab,
): Promise<Pruned & { readonly steps: readonly Pruned['report'][] }> {
  if (!(Number.isInteger(count) && count > 0)) {
    throw new PareError('option/steps', 'Pruning takes a positive whole number of steps.', { got: `${count}` });
  }
  const [what, final] = Object.entries(options.keep)[0] as [string, number];
  const shares = schedule(final, count);
  const reports: Pruned['report'][] = [];
  let now: Pruned | undefined;
  let left = 1;
  for (let i = 0; i < count; i++) {
    const start = now ? await between(now.model, { number: i, of: count, share: left }) : model;
    const keep = { [what]: Math.min(1, shares[i]! / left) } as unknown as Keep;
    now = await prune(start, { ...options, keep }, lab);
    left *= now.report.share;
    reports.push(now.report);
    if (now.report.fault) break;
  }
  const last = now!.report;
  return {
    model: now!.model,
    steps: reports,
    report: { ...last, before: reports[0]!.before, share: left, isMet: left <= final + 1e-9 },
  };
}
