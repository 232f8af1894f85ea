/** Parallel work: collectives on cores and on machines, data parallel and pipelined training, sharded answers, plans. */

export { alone } from './alone.ts';
export { blockOf, type Collective, type Reduction } from './collective.ts';
export { type Compression, fp16, parseCompression, topK } from './compress/index.ts';
export {
  fitParallel,
  type ParallelFitOptions,
  type ParallelFitReport,
  type ParallelOptions,
  workersFor,
} from './fit.ts';
export { asRank, join } from './join.ts';
export { isLaunched } from './launched.ts';
export { localGroup } from './local.ts';
export { type OuterName, outers } from './local-sgd.ts';
export { type MeasurePlanOptions, measurePlan } from './measure-plan.ts';
export { type MpiOptions, openMpi } from './mpi.ts';
export type { BalanceName } from './pipeline/balance.ts';
export { openPipelineTrainer, type PipelineOptions } from './pipeline/trainer.ts';
export { allReduceMs, type LinkSpeed, messageMs, type Plan, type PlanInput, planParallel } from './plan.ts';
export { type PredictParallelOptions, predictParallel } from './predict.ts';
export { answering } from './tell.ts';
export { openParallelTrainer, type ParallelTrainerOptions } from './trainer.ts';
