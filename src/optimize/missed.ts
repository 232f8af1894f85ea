/** What the result misses of the budget, in words, and what would be needed. */

import { isWithin, showShare } from '../base/unit.ts';
import { describeSteps } from '../recipe/index.ts';
import { type Budget, missesOf } from './budget.ts';
import type { Choice } from './choose.ts';
import type { Evidence } from './evidence.ts';
import type { Trial } from './workshop.ts';

export function missedBy(
  { misses, trial }: Choice,
  trials: readonly Trial[],
  budget: Budget,
  maxDrop: number,
  evidence: Evidence | undefined,
): string[] {
  const targets = misses.map(
    ({ flag, wanted, got }) => `${flag} ${wanted}: the nearest within the bound on the loss has ${got}`,
  );
  const drop = evidence && !isWithin(evidence.drop, maxDrop) ? [dropMissed(evidence, maxDrop)] : [];
  return [...targets, ...(misses.length > 0 ? [needed(trial, trials, budget)] : []), ...drop];
}

const dropMissed = ({ drop, after, data }: Evidence, maxDrop: number): string =>
  `--max-drop ${showShare(maxDrop)}: ${after.name} ${after.name === 'rmse' ? 'rose' : 'fell'} by ${showShare(drop)} on the ${data.size} evaluation samples`;

/** The least loss among the trials that are within the targets, or that nothing tried is. */
function needed(trial: Trial, trials: readonly Trial[], budget: Budget): string {
  const within = trials.filter((other) => missesOf(budget, other).length === 0);
  if (within.length > 0) {
    const least = within.reduce((a, b) => (b.drop < a.drop ? b : a));
    return `it would take --max-drop ${showShare(Math.ceil(least.drop * 1000) / 1000, 1)}: ${describeSteps(least.calls)}`;
  }
  const times = missesOf(budget, trial).reduce((most, { excess }) => Math.max(most, excess), 1);
  return `no model that was tried is within it; the nearest is ${times.toFixed(2)} times too large: more samples, a longer --time-budget or another architecture is needed`;
}
