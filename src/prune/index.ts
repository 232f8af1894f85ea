/** Pruning: groups of channels, criteria, budgets, the cut and its proof. */

export { type Choice, type ChooseOptions, choose, type Keep, type Rule } from './choose.ts';
export { type CollectOptions, collect, type Evidence } from './collect.ts';
export { type Combination, combine } from './combine.ts';
export { type Criterion, type CriterionName, criteria, type Need, type Slice } from './criterion/index.ts';
export { cut } from './cut.ts';
export { type Block, blocksOf, type DropOptions, type Dropped, dropBlocks } from './drop-blocks.ts';
export { estimator, type Size, sizeOfGraph } from './estimate.ts';
export { explain } from './explain.ts';
export { type Group, type Place, type Protection, type Solved, type SolveOptions, solve, type Units } from './group.ts';
export { type GroupSparseOptions, groupSparse } from './group-sparse.ts';
export { type LatencyTable, latencyTable } from './latency-table.ts';
export { mask } from './mask.ts';
export { type Normalization, normalize } from './normalize.ts';
export { type Pruned, type PrunedGroup, type PruneOptions, type PruneReport, prune } from './prune.ts';
export { type Ranking, type RankName, rankings } from './rank/index.ts';
export { type Reconstructed, type ReconstructOptions, reconstruct } from './reconstruct.ts';
export { type ReestimateOptions, reestimate, usesBatchNorm } from './reestimate.ts';
export {
  cubic,
  type GradualOptions,
  geometric,
  linear,
  pruneGradually,
  type Schedule,
  type Step,
  schedules,
} from './schedule.ts';
export { type ScoreOptions, score } from './score.ts';
export { type SensitivityOptions, type SensitivityPoint, sensitivity } from './sensitivity.ts';
export { settle } from './settle.ts';
export * from './sparse/index.ts';
export { type Agreement, agreement, difference, TOLERANCE } from './verify.ts';
