/** The trials that no other trial beats in everything. */

import type { Trial } from './workshop.ts';

/** Is `a` at least as good in loss, latency and bytes, and better in one? */
const beats = (a: Trial, b: Trial): boolean =>
  a.drop <= b.drop &&
  a.latencyRatio <= b.latencyRatio &&
  a.bytes <= b.bytes &&
  (a.drop < b.drop || a.latencyRatio < b.latencyRatio || a.bytes < b.bytes);

/** Pareto-optimal trials, the fastest first. */
export const frontierOf = (trials: readonly Trial[]): Trial[] =>
  trials
    .filter((trial) => !trials.some((other) => beats(other, trial)))
    .sort((a, b) => a.latencyRatio - b.latencyRatio || a.bytes - b.bytes);
