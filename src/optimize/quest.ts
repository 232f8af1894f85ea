/** What all parts of a search have at hand, and how long its work takes. */

import type { Bench, StepCall } from '../recipe/index.ts';
import { type Budget, measureOf, type Objective } from './budget.ts';
import type { Judge } from './judge.ts';
import type { Manner } from './manner.ts';
import type { LayerLoss } from './rank.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Trial, Workshop } from './workshop.ts';

export interface Quest {
  readonly workshop: Workshop;
  readonly budget: Budget;
  readonly objective: Objective;
  readonly maxDrop: number;
  readonly timeMs: number;
  readonly bench: Bench;
  readonly judge?: Judge | undefined;
  readonly stopwatch: Stopwatch;
  /** A recipe to try first. */
  readonly start: readonly StepCall[];
  /** What integers cost each layer, by the key of the structure: filled as the search finds it out. */
  readonly losses: Map<string, readonly LayerLoss[]>;
  /** How networks learn here, by the step: filled when the first of them learns. */
  readonly manners: Map<string, Manner>;
}

/** Share of the time for everything before the finals. */
const SEARCHING = 0.85;
/** Multiply-accumulates that training does in a second before it was ever timed: three passes at 45 GMAC/s. */
const GUESSED_MACS = 1.5e10;

/** Milliseconds that are left for trials. */
export const leftMs = ({ timeMs, workshop }: Quest): number => timeMs * SEARCHING - workshop.spentMs();

/** What should be small, over the original's. */
export const worthOf = ({ objective, workshop }: Quest, trial: Trial): number =>
  measureOf(objective, trial, workshop.root);

/** Steps that do little but learn. */
const LEARNING: ReadonlySet<string> = new Set(['distill', 'tune']);

/** Where arithmetic is a smaller share of what a sample took, the rest does not grow with it. */
const ARITHMETIC = 0.2;

/** Milliseconds that one pass of `samples` takes a network to learn from, as the last trials showed. */
export function passMs({ workshop, bench }: Quest, { macs }: Trial, samples: number): number {
  const last = workshop.trials.findLast(({ calls }) => LEARNING.has(calls.at(-1)?.step ?? ''));
  const call = last?.calls.at(-1);
  const each = 1 + Number(call?.['copies'] ?? 0);
  const seen = Number(call?.['epochs'] ?? 3) * each * Number(call?.['samples'] ?? bench.learn?.size ?? 0);
  const guessed = macs / GUESSED_MACS;
  if (!last || !(last.seconds > 0) || seen === 0) return guessed * samples * 1000;
  const took = last.seconds / seen;
  const counted = last.macs / GUESSED_MACS;
  const expected =
    counted < took * ARITHMETIC ? took + Math.max(0, guessed - counted) : took * (macs / Math.max(1, last.macs));
  return expected * samples * 1000;
}
