/** Recipes: methods one after the other. */

export { type ShrinkOptions, type Stage, shrink } from './shrink.ts';
export { type PruneAndTuneOptions, pruneAndTune, type Tuned } from './prune-and-tune.ts';
