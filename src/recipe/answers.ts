/** The original's answers, asked once: every fine-tuning of a recipe or of a search learns from the same ones. */

import type { Dataset } from '../data/index.ts';
import { type Recorded, record } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';

/** What a model answers to these samples, which `key` tells apart from others. */
export type Answers = (data: Dataset, key: string, lab: Lab) => Promise<Recorded>;

/** Remembers the answers to each set of samples that it was asked for. */
export function answersOf(original: Model): Answers {
  const known = new Map<string, Recorded>();
  return async (data, key, lab) => {
    const recorded = known.get(key) ?? (await record(original, data, lab));
    known.set(key, recorded);
    return recorded;
  };
}
