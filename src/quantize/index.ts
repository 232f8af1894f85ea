/** Quantisation: integers for weights and activations. */

export { type AbsorbReport, absorbBiases } from './absorb.ts';
export { type Accuracy, accuracy, dropOf } from './accuracy.ts';
export { type Agreement, agreement } from './agreement.ts';
export { type BlockedMethodName, blockedMethods } from './blocked/index.ts';
export { type BlockBits, type BlockShape, type Blocks, fromBlocks, packBits, roundToNearest } from './blocks.ts';
export {
  type Calibrator,
  type CalibratorName,
  calibrators,
  entropy,
  minmax,
  movingAverage,
  mse,
  percentile,
} from './calibrate/index.ts';
export { type Calibrated, calibrate, write } from './calibrated.ts';
export { type CorrectionName, corrections } from './correct/index.ts';
export { type Dtype, type DtypeName, type DtypeOptions, dtypes } from './dtype.ts';
export { type DynamicOptions, quantizeDynamic, type WeightReport } from './dynamic.ts';
export type { EngineView } from './engine-view.ts';
export { viewOf } from './engine-view.ts';
export { type EqualizeOptions, type EqualizeReport, equalize } from './equalize.ts';
export type { Escalation } from './escalate.ts';
export { type FakeGrid, fakeQuantize } from './fake-quantize.ts';
export { type Grid, type GridForm, type GridFormName, gridForms, gridOf } from './grid.ts';
export { type HalfOptions, toHalfStorage } from './half.ts';
export { Histogram } from './histogram.ts';
export type { Narrowed } from './narrow.ts';
export { type NormalFloatOptions, toNormalFloat } from './normal-float.ts';
export type { Kept } from './plan.ts';
export { type QatOptions, type QatReport, quantizeAware } from './qat.ts';
export { toQOperators } from './qoperator.ts';
export { type Quantized, type QuantizeOptions, type QuantizeReport, quantize } from './quantize.ts';
export type { Quickened } from './quicken.ts';
export type { Range } from './range.ts';
export { type RoundingName, roundings } from './round/index.ts';
export { saturates } from './saturate.ts';
export { type Answer, type Request, type Scheme, type SchemeName, schemes } from './scheme/index.ts';
export { type LayerSensitivity, lossOf, sensitivity } from './sensitivity.ts';
export type { Size } from './size.ts';
export { type SmoothOptions, smooth } from './smooth.ts';
export { type KernelForm, kernelFormFor, type Target, type TargetName, targetOf, targets } from './target.ts';
export { quantizeWeights, type WeightOnlyOptions } from './weight-only.ts';
