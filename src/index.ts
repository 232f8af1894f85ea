/** The public names, one by one. */

export { PareError } from './base/error.ts';
export { collapse, factorize, sharePalette, storeNarrow } from './compress/index.ts';
export { costOf, type LayerCost, type ModelCost } from './cost/cost.ts';
export { type Dataset, openData, split } from './data/index.ts';
export { type DistillOptions, distill, record, softTargets, withTeacher } from './distill/index.ts';
export { differentiate } from './grad/differentiate.ts';
export type { Graph, Model, Node, ValueInfo } from './graph/model.ts';
export { type Tensor, tensor } from './graph/tensor.ts';
export { mlp, resnetCifar, seedCnn, sequential } from './nn/index.ts';
export { readModel, readModelFile as read, writeModel } from './onnx/index.ts';
export { modernize } from './ops/modern.ts';
export { inOwnOpset } from './ops/own-opset.ts';
export { type Budget, type Optimized, type OptimizeOptions, openJournal, optimize } from './optimize/index.ts';
export { fitParallel as fit, type ParallelFitOptions as FitOptions } from './parallel/index.ts';
export { criteria, type PruneOptions, prune } from './prune/index.ts';
export {
  calibrators,
  dtypes,
  type QuantizeOptions,
  quantize,
  quantizeAware,
  quantizeDynamic,
  quantizeWeights,
  toHalfStorage,
} from './quantize/index.ts';
export {
  follow,
  parseRecipe,
  type Recipe,
  recipeJson,
  type ShrinkOptions,
  type Stage,
  shrink,
} from './recipe/index.ts';
export { foldBatchNorm, simplify } from './rewrite/index.ts';
export { type Engine, type Lab, openEngine } from './runtime/index.ts';
export { saveModel as write } from './runtime/save-model.ts';
export {
  adam,
  cosine,
  crossEntropy,
  losses,
  metrics,
  optimizers,
  rmsprop,
  schedules,
  scoreModel,
  sgd,
} from './train/index.ts';
