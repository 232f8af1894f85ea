/** How right two models are on labelled samples, side by side. */

import { classesOf, type Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type Agreement, type Compared, compare } from './agreement.ts';

export interface Accuracy extends Agreement {
  /** Share of samples whose label is the largest entry; undefined without class labels. */
  readonly before?: number;
  readonly after?: number;
}

/** Runs both models on these samples (default: all). */
export async function accuracy(
  before: Model,
  after: Model,
  data: Dataset,
  lab: Lab,
  samples: ArrayLike<number> = Int32Array.from({ length: data.size }, (_, i) => i),
): Promise<Accuracy> {
  return judged(await compare(before, after, data, samples, lab), data, samples);
}

/** The shares that are right, where there are labels. */
export function judged(
  { tops, divergences: _, ...close }: Compared,
  data: Dataset,
  samples: ArrayLike<number>,
): Accuracy {
  if (data.task !== 'classification' || tops.length === 0 || tops.length !== samples.length) return close;
  const labels = classesOf(data);
  const right = (which: 0 | 1): number =>
    tops.filter((pair, i) => pair[which] === labels[samples[i]!]).length / tops.length;
  return { ...close, before: right(0), after: right(1) };
}

/**
 * What was lost, 0 to 1: accuracy where there are labels (never below 0), else the share of changed answers, else what
 * the cosine lacks of 1.
 */
export function dropOf({ before, after, sameTop, cosine }: Accuracy): number {
  if (before !== undefined && after !== undefined) return Math.max(0, before - after);
  return sameTop === undefined ? 1 - cosine : 1 - sameTop;
}
