/** Metrics by name. */

import type { Task } from '../../data/dataset.ts';
import { accuracy } from './accuracy.ts';
import type { Metric } from './metric.ts';
import { rSquared } from './r-squared.ts';

export const metrics = { accuracy, r2: rSquared } as const satisfies Record<string, Metric>;

/** What a task is scored by when nobody says. */
export const metricFor = (task: Task): Metric => (task === 'regression' ? rSquared : accuracy);

export { accuracy } from './accuracy.ts';
export { argmax, type Count, type Metric } from './metric.ts';
export { rSquared } from './r-squared.ts';
