/** Pruning in several steps, with whatever the caller does between them: fine-tuning, distillation. */

import { PareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import type { Keep } from './choose.ts';
import { type Pruned, type PruneOptions, prune } from './prune.ts';

/** The share that stays after each of n steps, from 1 (exclusive) to the final share (inclusive). */
export type Schedule = (final: number, steps: number) => number[];

const spread = (count: number, at: (t: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => at((i + 1) / count));

/** The same difference in each step. */
export const linear: Schedule = (final, count) => spread(count, (t) => 1 + (final - 1) * t);

/**
 * Much at first, little at the end: keep(t) = final + (1 − final)(1 − t)³.
 *
 * Source   Zhu & Gupta 2018, "To prune, or not to prune", arXiv:1710.01878 (AGP), with the share kept in place of sparsity.
 */
export const cubic: Schedule = (final, count) => spread(count, (t) => final + (1 - final) * (1 - t) ** 3);

/** The same factor in each step. */
export const geometric: Schedule = (final, count) => spread(count, (t) => final ** t);

export const schedules = { linear, cubic, geometric } satisfies Record<string, Schedule>;

export interface GradualOptions extends PruneOptions {
  /** Default 4. */
  steps?: number;
  /** Default cubic. */
  schedule?: Schedule;
  /** What happens to the model after each step: fine-tuning, say. It must keep the names of inputs and outputs. */
  after?: (model: Model, step: Step) => Promise<Model>;
}

export interface Step {
  /** From 1. */
  readonly number: number;
  readonly of: number;
  /** Share of the budgeted thing that is left. */
  readonly share: number;
  readonly report: Pruned['report'];
}

/**
 * Prunes step by step to the share in `keep`, each step measured against the model it began with.
 *
 * A step that fails its proof ends the work: what was there before it comes back, and `report.fault` says why.
 * Throws   option/steps when `steps` is not a positive whole number; otherwise as `prune`.
 */
export async function pruneGradually(
  model: Model,
  { steps: count = 4, schedule = cubic, after = async (same) => same, ...options }: GradualOptions,
  lab: Lab,
): Promise<Pruned & { readonly steps: readonly Step[] }> {
  if (!(Number.isInteger(count) && count > 0)) {
    throw new PareError('option/steps', 'Pruning takes a positive whole number of steps.', { got: `${count}` });
  }
  const [what, final] = Object.entries(options.keep)[0] as [string, number];
  const shares = schedule(final, count);
  const steps: Step[] = [];
  let [now, share, error] = [model, 1, 0];
  for (const [i, wanted] of shares.entries()) {
    const keep = { [what]: Math.min(1, wanted / share) } as unknown as Keep;
    const { model: small, report } = await prune(now, { ...options, keep }, lab);
    share *= report.share;
    error = Math.max(error, report.error);
    steps.push({ number: i + 1, of: count, share, report });
    if (report.fault) return { model: now, steps, report: whole(steps, share, final, error) };
    now = await after(small, steps.at(-1)!);
  }
  return { model: now, steps, report: whole(steps, share, final, error) };
}

/** The report of all steps as one: widths and sizes from the first to the last. */
function whole(steps: readonly Step[], share: number, final: number, error: number): Pruned['report'] {
  const [first, last] = [steps[0]!.report, steps.at(-1)!.report];
  const widths = new Map(first.groups.map(({ name, all }) => [name, all]));
  const groups = last.groups.map((group) => ({ ...group, all: widths.get(group.name) ?? group.all }));
  return { ...last, groups, before: first.before, share, isMet: share <= final + 1e-9, error };
}
