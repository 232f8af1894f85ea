/** Metrics by name. */

import type { Task } from '../../data/dataset.ts';
import { accuracy } from './accuracy.ts';
import { binaryAccuracy } from './binary-accuracy.ts';
import { f1, precision, recall } from './confusion.ts';
import { meanAbsolute } from './mean-absolute-error.ts';
import type { Metric } from './metric.ts';
import { perplexity } from './perplexity.ts';
import { rSquared } from './r-squared.ts';
import { rocAuc } from './roc-auc.ts';
import { topK } from './top-k.ts';

export const metrics = {
  accuracy,
  'binary-accuracy': binaryAccuracy,
  'top-5': topK(5),
  precision,
  recall,
  f1,
  'roc-auc': rocAuc,
  perplexity,
  r2: rSquared,
  mae: meanAbsolute,
} as const satisfies Record<string, Metric>;

/** What a task is scored by when nobody says. */
export const metricFor = (task: Task): Metric => (task === 'regression' ? rSquared : accuracy);

export { accuracy } from './accuracy.ts';
export { binaryAccuracy } from './binary-accuracy.ts';
export { type Confusion, type ConfusionCount, confusion, f1, precision, recall, scoresOf } from './confusion.ts';
export { meanAbsolute } from './mean-absolute-error.ts';
export { argmax, type Count, type Metric } from './metric.ts';
export { perplexity } from './perplexity.ts';
export { rSquared } from './r-squared.ts';
export { rocAuc } from './roc-auc.ts';
export { topK } from './top-k.ts';
