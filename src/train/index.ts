/** Training: the loop, losses, metrics, optimisers, schedules. */

export { type CheckpointOptions, checkpointPath, loadCheckpoint } from './checkpoint.ts';
export { type Choice, type ChoiceOptions, type ChoiceReport, candidates, chooseOptimizer } from './choose/optimizer.ts';
export { learningRateRange, type RangeOptions, type RangePoint, type RangeReport } from './choose/range.ts';
export { type EpochReport, type FitOptions, type FitReport, fit, withWeights } from './fit.ts';
export { jsonlLog } from './log/jsonl.ts';
export type { TrainLog } from './log/log.ts';
export { tensorBoardLog } from './log/tensorboard.ts';
export * from './loss/index.ts';
export * from './metric/index.ts';
export * from './optim/index.ts';
export { atPlaces, IGNORED, metricAtPlaces, type Places, placesOf, rowsAt } from './places.ts';
export { type Answers, type PredictOptions, predict, predictAll, withOutputs } from './predict.ts';
export * from './schedule/index.ts';
export { type Scorer, scorer } from './score.ts';
export { scoreModel } from './score-model.ts';
export { type GroupOptions, layerWise, matcher, type NamePattern } from './select.ts';
export { type LearningTask, outputWidth, placesFor, taskOf } from './task.ts';
