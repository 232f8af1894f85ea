/** How right two models are on labelled samples, side by side. */

import { classesOf, type Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type Agreement, compare } from './agreement.ts';

export interface Accuracy extends Agreement {
  /** Share of samples whose label is the largest entry; undefined without class labels. */
  readonly before?: number;
  readonly after?: number;
}

/** Runs both models on the first `count` samples (default: all). */
export async function accuracy(
  before: Model,
  after: Model,
  data: Dataset,
  lab: Lab,
  count: number = data.size,
): Promise<Accuracy> {
  const samples = Int32Array.from({ length: Math.min(count, data.size) }, (_, i) => i);
  const { tops, ...close } = await compare(before, after, data, samples, lab);
  if (data.task !== 'classification' || tops.length === 0) return close;
  const labels = classesOf(data);
  const right = (which: 0 | 1): number => tops.filter((pair, i) => pair[which] === labels[i]).length / tops.length;
  return { ...close, before: right(0), after: right(1) };
}
