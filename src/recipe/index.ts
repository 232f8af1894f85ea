/** Recipes: methods one after the other. */

export { type Followed, follow, followStep, taughtBy } from './follow.ts';
export { presets, type RecipeName } from './preset.ts';
export { type PruneAndTuneOptions, pruneAndTune, type Tuned } from './prune-and-tune.ts';
export { describeSteps, parseRecipe, RECIPE_FORMAT, type Recipe, recipeJson, type StepCall, stepOf } from './recipe.ts';
export { type ShrinkOptions, type Stage, shrink } from './shrink.ts';
export { type StepName, steps } from './step/index.ts';
export type { Bench, Step } from './step.ts';
