/** Recipes: methods one after the other. */

export { type PruneAndTuneOptions, pruneAndTune, type Tuned } from './prune-and-tune.ts';
export { type ShrinkOptions, type Stage, shrink } from './shrink.ts';
