/** The original's answers, asked once: every fine-tuning of a recipe or of a search learns from the same ones. */

import { type Dataset, take } from '../data/index.ts';
import { type Recorded, record } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';

/** What a model answers to the first `count` samples. */
export type Answers = (count: number, lab: Lab) => Promise<Recorded>;

/** Remembers the answers to each count of samples that it was asked for; undefined for samples that change from epoch to epoch. */
export function answersOf(original: Model, data: Dataset): Answers | undefined {
  if (data.atEpoch !== undefined) return undefined;
  const known = new Map<number, Recorded>();
  return async (count, lab) => {
    const recorded = known.get(count) ?? (await record(original, take(data, count), lab));
    known.set(count, recorded);
    return recorded;
  };
}
