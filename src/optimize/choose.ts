/**
 * The finals: which trial is handed out.
 *
 *   eligible     holds the bound on the search samples and is not worse than the input in the objective
 *   confirmed    holds it on search and selection samples together
 *   timed        the best few run in turn with the original once more; the best that is faster wins
 */

import type { Model } from '../graph/model.ts';
import type { Parts } from '../recipe/parts.ts';
import type { Lab } from '../runtime/index.ts';
import { type Budget, hasTarget, isWorse, type Miss, measureOf, missesOf, type Objective } from './budget.ts';
import { judgeOf } from './judge.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Trial, Workshop } from './workshop.ts';

export interface Choice {
  /** With its latency as timed in the finals. */
  readonly trial: Trial;
  /** Targets that it misses. */
  readonly misses: readonly Miss[];
  /** The further choices, should the evaluation not confirm this one: each changes the model less. */
  readonly others: readonly Trial[];
}

export interface ChooseOptions {
  readonly workshop: Workshop;
  readonly budget: Budget;
  readonly maxDrop: number;
  readonly objective: Objective;
  readonly parts?: Parts | undefined;
  readonly stopwatch: Stopwatch;
  readonly original: Model;
}

/** Trials that are confirmed, and timed once more. */
const CONFIRMED = 8;
const TIMED = 3;
const ROUNDS = 31;
/** Weight of what is not the objective, as a power. */
const ASIDE = 0.05;

export async function choose(options: ChooseOptions, lab: Lab): Promise<Choice> {
  const { workshop, budget, maxDrop, objective, stopwatch, original, parts } = options;
  const { root } = workshop;
  const worth = (trial: Trial): number => measureOf(objective, trial, root);
  // what is as fast should be smaller, and what is as small faster: a fourth of the bytes weighs as much as 7 % of the time
  const aside: Objective = objective === 'size' ? 'latency' : 'size';
  const rank = (trial: Trial): number => worth(trial) * measureOf(aside, trial, root) ** ASIDE;
  const isFine = (trial: Trial): boolean => trial.key === root.key || !isWorse(objective, trial, root);
  const excess = (trial: Trial): number =>
    missesOf(budget, trial).reduce((most, miss) => Math.max(most, miss.excess), 1);
  // with a target and no objective of its own, what is within the target should lose least
  const isBounded = hasTarget(budget) && budget.objective === undefined;
  const order = (a: Trial, b: Trial): number =>
    excess(a) - excess(b) ||
    (isBounded ? a.drop - b.drop : 0) ||
    rank(a) - rank(b) ||
    a.drop - b.drop ||
    a.bytes - b.bytes;
  const eligible = workshop.trials.filter((trial) => trial.drop <= maxDrop && isFine(trial));
  const ranked = [...eligible].sort(order);

  const confirmed: Trial[] = [];
  for (const trial of ranked.slice(0, CONFIRMED)) {
    if (confirmed.length === TIMED) break;
    const drop = trial === root ? 0 : await selectionDrop(trial, options, lab);
    if (drop <= maxDrop) confirmed.push({ ...trial, drop: drop });
  }
  if (confirmed.length === 0) confirmed.push(root);

  const timed = await workshop.once(`finals ${confirmed.map(({ key }) => key).join(' ')}`, async () => {
    const models = [];
    for (const trial of confirmed) models.push(await workshop.modelOf(trial));
    return (await stopwatch.time([original, ...models], ROUNDS)).slice(1);
  });
  const finals = confirmed
    .map((trial, i) => ({
      ...trial,
      latencyMs: timed[i]!.ms,
      latencyRatio: trial.key === root.key ? 1 : timed[i]!.ratio,
    }))
    .filter(isFine)
    .sort(order);
  const trial = finals[0] ?? root;
  const others = parts ? safer(trial, eligible).flatMap((some) => some.sort(order).slice(0, 1)) : [];
  return { trial, misses: missesOf(budget, trial), others };
}

/**
 * Where to retreat to, in turn: ends of structures that were cut less, then ends that compute in floats and only store
 * integers, of the choice's structure or a larger one.
 */
function safer({ key, calls, drop }: Trial, eligible: readonly Trial[]): Trial[][] {
  const others = eligible.filter(
    (other) => other.key !== key && other.drop <= drop && other.calls.length <= calls.length,
  );
  const lessCut = others.filter((other) => other.calls.length <= Math.max(2, calls.length / 2));
  const floats = others.filter((other) => other.calls.every(({ step }) => step !== 'quantize'));
  return [calls.length > 2 ? lessCut : [], floats];
}

/** What is lost on the search and selection samples together. */
function selectionDrop(trial: Trial, { workshop, parts, original }: ChooseOptions, lab: Lab): Promise<number> {
  return workshop.once(`${trial.key} selection`, async () => {
    if (!parts) return trial.drop;
    const judge = await judgeOf(original, parts.selection, lab);
    const { drop } = await judge.score(await workshop.modelOf(trial));
    const [a, b] = [parts.search.size, parts.selection.size];
    return (trial.drop * a + drop * b) / (a + b);
  });
}
