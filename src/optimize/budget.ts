/** What a result may cost: bounds that must hold, and the one thing that should be small. */

import { PareError } from '../base/error.ts';
import { showBytes, showCount, showMs, showShare } from '../base/unit.ts';

export type Objective = 'latency' | 'size' | 'energy-proxy';

export interface Budget {
  /** Share of the metric that may be lost (0.01 is one point); of an error, its relative rise. Default 0.01. */
  readonly maxDrop?: number | undefined;
  /** Milliseconds of one sample on one thread. */
  readonly targetLatencyMs?: number | undefined;
  /** Bytes of the written file. */
  readonly targetBytes?: number | undefined;
  /** Multiply-accumulates of one sample. */
  readonly targetMacs?: number | undefined;
  /** What should be small: by default latency, or with a target, the loss. */
  readonly objective?: Objective | undefined;
  /** How long the search may take. Default 10 minutes. */
  readonly timeMs?: number | undefined;
}

/** What a model costs. */
export interface Cost {
  readonly bytes: number;
  readonly macs: number;
  readonly parameters: number;
  /** Time over the original's, one sample on one thread. */
  readonly latencyRatio: number;
  readonly latencyMs: number;
}

/** A target that a model misses. */
export interface Miss {
  readonly flag: string;
  readonly wanted: string;
  readonly got: string;
  /** What it has over what it may have: above 1. */
  readonly excess: number;
}

const TARGETS = [
  { flag: '--target-latency', of: 'targetLatencyMs', has: 'latencyMs', show: showMs },
  { flag: '--target-size', of: 'targetBytes', has: 'bytes', show: showBytes },
  { flag: '--target-macs', of: 'targetMacs', has: 'macs', show: showCount },
] as const;

/** The targets that this cost misses. */
export const missesOf = (budget: Budget, cost: Cost): Miss[] =>
  TARGETS.flatMap(({ flag, of, has, show }) => {
    const most = budget[of];
    if (most === undefined || cost[has] <= most) return [];
    return [{ flag, wanted: show(most), got: show(cost[has]), excess: cost[has] / most }];
  });

export const hasTarget = (budget: Budget): boolean => TARGETS.some(({ of }) => budget[of] !== undefined);

/**
 * The number that should be small, each over the original's. Bytes break the ties of latency: half of them are worth 7 % of
 * the time, which is about what a timing can tell.
 *
 * Energy is not measured: memory traffic and arithmetic stand for it, a byte from memory weighing as much as 100 8-bit
 * multiply-accumulates (Horowitz 2014, ISSCC).
 */
const MEASURES: Readonly<Record<Objective, (cost: Cost, original: Cost) => number>> = {
  latency: (cost, original) => timeOf(cost, original) * (cost.bytes / original.bytes) ** 0.1,
  size: ({ bytes }, original) => bytes / original.bytes,
  'energy-proxy': (cost, original) => energyOf(cost) / energyOf(original),
};
const timeOf = ({ latencyRatio }: Cost, original: Cost): number => latencyRatio / original.latencyRatio;
const energyOf = ({ bytes, macs }: Cost): number => bytes * 100 + macs;

export const measureOf = (objective: Objective, cost: Cost, original: Cost): number =>
  MEASURES[objective](cost, original);

/** Is this worse than the original in what should be small? Of a latency, beyond what a timing can tell. */
export const isWorse = (objective: Objective, cost: Cost, original: Cost): boolean =>
  objective === 'latency' ? timeOf(cost, original) > NOISE : measureOf(objective, cost, original) > 1;
const NOISE = 1.03;

/** Throws option/budget for a bound that no model can be held to. */
export function checkBudget(budget: Budget): void {
  const { maxDrop = 0, timeMs = 1 } = budget;
  if (!(maxDrop >= 0 && maxDrop <= 1)) {
    throw new PareError('option/budget', `A drop is a share from 0 to 1, not ${showShare(maxDrop)}.`, {
      where: 'maxDrop',
    });
  }
  for (const { of } of TARGETS) {
    const most = budget[of];
    if (most === undefined || most > 0) continue;
    throw new PareError('option/budget', `${of} must be above 0.`, { where: of, got: `${most}` });
  }
  if (!(timeMs > 0))
    throw new PareError('option/budget', 'The time budget must be above 0.', { where: 'timeMs', got: `${timeMs}` });
}
