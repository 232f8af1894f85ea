/** Recipes: methods one after the other. */

export { type ShrinkOptions, type Stage, shrink } from './shrink.ts';
