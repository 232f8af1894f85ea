/** Quantisation: integers for weights and activations. */

export { type Agreement, agreement } from './agreement.ts';
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
export type { EngineView } from './engine-view.ts';
export { viewOf } from './engine-view.ts';
export { type FakeGrid, fakeQuantize } from './fake-quantize.ts';
export { Histogram } from './histogram.ts';
export type { Kept } from './plan.ts';
export { type Quantized, type QuantizeOptions, type QuantizeReport, quantize, type Size } from './quantize.ts';
export type { Range } from './range.ts';
export { saturates } from './saturate.ts';
export { type Grid, gridOf } from './scheme.ts';
