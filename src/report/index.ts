/** Reports: scores, sizes and speeds of models; a run's numbers as a terminal table and as an HTML page. */

export { type BeforeAfter, beforeAfter, type Figures } from './before-after.ts';
export { agreement, type EvaluateOptions, type Evaluation, evaluate, type Metric } from './evaluate.ts';
export { htmlReport } from './html/page.ts';
export { compareLayers, type LayerChange, type LayerSize, layersOf } from './layers.ts';
export { costOfAny, type Measured, type MeasureModelsOptions, measureModels, type Timing } from './measure-models.ts';
export type {
  Claim,
  Flip,
  GraphRow,
  LayerFate,
  Picture,
  SearchSummary,
  TensorSize,
  TrialPoint,
} from './search.ts';
export { loadSubject, type Subject, subjectBytes } from './subject.ts';
export {
  batchesOf,
  type Curve,
  type Epoch,
  type Gain,
  gainOf,
  type LatencyMs,
  type Machine,
  type Step,
  type Summary,
  stepOf,
} from './summary.ts';
export { showGains, showMetric, summaryTable } from './summary-table.ts';
export { type Column, type Paint, paintFor, plain, type Style, table } from './table.ts';
