/** Optimising: the search for the best recipe under a budget, with the evidence. */

export type { Budget, Cost, Objective } from './budget.ts';
export type { Evidence } from './evidence.ts';
export { frontierOf } from './frontier.ts';
export { type Change, changeOf, type Interval } from './interval.ts';
export { type Journal, memoryJournal, openJournal } from './journal.ts';
export { type Optimized, type OptimizeOptions, optimize } from './optimize.ts';
export { searchPresets } from './preset.ts';
export { engineStopwatch, type Stopwatch } from './stopwatch.ts';
export { searchSummary } from './summary.ts';
export { measureProfile } from './target/measure-profile.ts';
export { type Profile, parseProfile, predictMs } from './target/profile.ts';
export { predictedStopwatch, type Target, type TargetName, targets } from './target/targets.ts';
export type { Trial } from './workshop.ts';
