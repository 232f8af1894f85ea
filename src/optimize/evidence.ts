/** The claim at the end: what was lost on samples that nothing was decided on, and how sure that is. */

import { isWithin, showShare } from '../base/unit.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import type { Metric } from '../report/index.ts';
import { type Change, samplesNeeded } from './interval.ts';
import type { Judge, Score } from './judge.ts';

export interface Evidence {
  readonly before: Metric;
  readonly after: Metric;
  /** Share of the samples (points / 100), or the relative rise of an error. */
  readonly drop: number;
  readonly change: Change;
  /** What counts as right, in words. */
  readonly about: string;
  readonly data: Dataset;
  /** The right classes, where labels say so. */
  readonly labels?: Int32Array | undefined;
  /** By sample. */
  readonly scores: { readonly before: Score; readonly after: Score };
  /** Where the samples are too few to support the bound: what is known, and how many would do. */
  readonly tooSmall?: string;
}

/** Scores a model on the evaluation samples; `looks` counts how often they were asked. */
export async function evidenceOf(judge: Judge, model: Model, maxDrop: number, looks = 1): Promise<Evidence> {
  const after = await judge.score(model);
  const change = judge.change(after, looks);
  const weak = weakness(after.drop, change, maxDrop);
  return {
    before: judge.before.metric,
    after: after.metric,
    drop: after.drop,
    change,
    about: judge.about,
    data: judge.data,
    labels: judge.labels,
    scores: { before: judge.before, after },
    ...(weak && { tooSmall: weak }),
  };
}

function weakness(drop: number, { samples, lost, won, interval }: Change, maxDrop: number): string | undefined {
  if (!isWithin(drop, maxDrop) || interval.high <= maxDrop) return undefined;
  const needed = samplesNeeded(drop, lost + won, samples, maxDrop);
  const enough = Number.isFinite(needed)
    ? `; about ${needed} samples that change no more often would settle it`
    : '; the bound is where the loss is, and no number of samples would settle it';
  return `${samples} evaluation samples cannot exclude a drop of ${showShare(interval.high)}, the bound is ${showShare(maxDrop)}${enough}`;
}
