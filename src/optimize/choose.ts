/**
 * The finals: which trial is handed out.
 *
 *   eligible     may well hold the bound, as far as the search samples tell, and is not worse than the input in the objective
 *   confirmed    holds it on search and selection samples together; or lies beyond by no more than a standard error of their number, which
 *                leaves it to the evaluation: at most two of these, and one that holds always stands behind them
 *   timed        the best few run in turn with the original once more; the best that is faster wins
 */

import { isWithin } from '../base/unit.ts';
import type { Model } from '../graph/model.ts';
import type { Parts } from '../recipe/parts.ts';
import type { Lab } from '../runtime/index.ts';
import { type Budget, hasTarget, isWorse, type Miss, measureOf, missesOf, type Objective } from './budget.ts';
import { mayBeWithin } from './interval.ts';
import { type Judge, judgeOf } from './judge.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Trial, Workshop } from './workshop.ts';

export interface Choice {
  /** With its latency as timed in the finals. */
  readonly trial: Trial;
  /** Targets that it misses. */
  readonly misses: readonly Miss[];
  /** The further choices, should the evaluation not confirm this one: the other finalists, a safer one, an exact one. */
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

/** Trials that are confirmed, and timed once more; of these, those that are left to the evaluation. */
const CONFIRMED = 16;
const TIMED = 3;
const UNSURE = 2;
const ROUNDS = 31;
/** Weight of what is not the objective, as a power. */
const ASIDE = 0.05;
/** Ranks in steps of what a timing can tell, as a logarithm: within one, what loses less is better. */
const GRADE = Math.log(1.03);
/** A safer trial's outputs lie at most this far from the original's, over the distance of what failed; with labels it loses less by this share of the bound. */
const SAFER = { distance: 0.85, drop: 0.25 };

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
  const { search, selection } = parts ?? {};
  const mayHold = (drop: number, samples: number): boolean => mayBeWithin(drop, maxDrop, samples);
  const both = (search?.size ?? 0) + (selection?.size ?? 0);
  const isSure = ({ drop }: Trial): boolean => isWithin(drop, maxDrop);
  const grade = (trial: Trial): number => Math.round(Math.log(rank(trial)) / GRADE);
  const order = (a: Trial, b: Trial): number =>
    excess(a) - excess(b) ||
    (isBounded ? a.drop - b.drop : 0) ||
    grade(a) - grade(b) ||
    a.drop - b.drop ||
    a.distance - b.distance ||
    a.bytes - b.bytes;
  const eligible = workshop.trials.filter((trial) => mayHold(trial.drop, search?.size ?? 0) && isFine(trial));

  const confirmed: Trial[] = [];
  const families = new Set<string>();
  const judge = selection && (await judgeOf(original, selection, lab));
  let asked = 0;
  for (const trial of [...eligible].sort(order)) {
    const sure = confirmed.filter(isSure).length;
    const unsure = confirmed.length - sure;
    if ((sure > 0 && confirmed.length >= TIMED) || asked === CONFIRMED) break;
    if (families.has(familyOf(trial))) continue;
    asked++;
    const drop = trial === root ? 0 : await selectionDrop(trial, judge, options);
    if (!isWithin(drop, maxDrop) && (unsure === UNSURE || !mayHold(drop, both))) continue;
    confirmed.push({ ...trial, drop });
    // what may not hold leaves room for its own mixtures
    if (isWithin(drop, maxDrop)) families.add(familyOf(trial));
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
  const isSafer = (other: Trial): boolean =>
    judge?.isLabelled
      ? other.drop <= trial.drop - maxDrop * SAFER.drop
      : other.distance <= trial.distance * SAFER.distance;
  const rest = eligible
    .filter(isSure)
    .sort(order)
    .filter(({ key }) => !finals.some((final) => final.key === key));
  const safer = rest.find((other) => isSafer(other) && other.distance > EXACT);
  const exact = rest.find(({ distance }) => distance <= EXACT);
  const others = [...finals.slice(1), safer, exact].filter((other) => other !== undefined);
  return { trial, misses: missesOf(budget, trial), others: parts ? others : [] };
}

/** Trials that differ in nothing but which layers have floats are one family: where one fails, the others are likely to. */
const familyOf = ({ calls }: Trial): string => JSON.stringify(calls.map(({ exclude: _, floats: __, ...call }) => call));

/** Rounding alone moves outputs less. */
const EXACT = 1e-4;

/** What is lost on the search and selection samples together. */
async function selectionDrop(
  trial: Trial,
  judge: Judge | undefined,
  { workshop, parts }: ChooseOptions,
): Promise<number> {
  if (!judge || !parts) return trial.drop;
  const drop = await workshop.once(
    `${trial.key} selection`,
    async () => (await judge.score(await workshop.modelOf(trial))).drop,
  );
  const [a, b] = [parts.search.size, parts.selection.size];
  return (trial.drop * a + drop * b) / (a + b);
}
