/** Training: the loop, losses, metrics, optimisers, schedules. */

export { type EpochReport, type FitOptions, type FitReport, fit, withWeights } from './fit.ts';
export * from './loss/index.ts';
export * from './metric/index.ts';
export * from './optim/index.ts';
export { type Answers, type PredictOptions, predict, predictAll, withOutputs } from './predict.ts';
export * from './schedule/index.ts';
export { type Scorer, scorer } from './score.ts';
