/**
 * How networks learn here: found by short lessons, since no optimiser and no rate suit all.
 *
 *   optimiser   each of the tuners once, on few samples; what loses least then teaches everything. Networks with batch normalisation
 *               learn by SGD: it loses most in a short lesson, not in a long one (resnet20, one pass, the same 500 samples: 0.6 points
 *               won, 0.4 lost by Adam)
 *   labels      where there are any: how much they count beside the teacher, in the same way
 */

import { usesBatchNorm } from '../prune/index.ts';
import { type TunerName, tuners } from '../recipe/tuner.ts';
import { passMs, type Quest } from './quest.ts';
import { shortLesson } from './short-lesson.ts';
import type { Trial } from './workshop.ts';

/** What all lessons of a search have in common: options of the steps that learn. */
export interface Manner {
  readonly optimizer: TunerName;
  /** Share of the loss that comes from labels; of the original's own lessons, all. */
  readonly labels?: number;
}

/** Where there is no time to find out: what the same rate suits whatever the inputs are. */
const UNTRIED: Manner = { optimizer: 'lamb' };
/** Shares of labels to try instead of the step's own. */
const LABELS = [0.5, 1];
/** Samples of a short lesson, and the share of the open time that all of them may take. */
const SAMPLES = { least: 512, most: 4000 };
const SHARE = 0.2;

/** The step that a manner is for. */
type Lesson = 'tune' | 'distill';

/** The manner for lessons of this kind; found on `trial` the first time, then remembered. */
export async function mannerFor(kind: Lesson, quest: Quest, trial: Trial, openMs: number): Promise<Manner> {
  const known = quest.manners.get(kind);
  if (known) return known;
  const found = await raced(kind, quest, trial, openMs);
  quest.manners.set(kind, found);
  return found;
}

async function raced(kind: Lesson, quest: Quest, trial: Trial, openMs: number): Promise<Manner> {
  const size = quest.bench.learn!.size;
  const tuned = quest.manners.get('tune');
  const isNormalized = !tuned && usesBatchNorm(await quest.workshop.modelOf(trial));
  const optimizers = tuned
    ? [tuned.optimizer]
    : isNormalized
      ? (['sgd'] as const)
      : (Object.keys(tuners) as TunerName[]);
  const shares = kind === 'distill' && quest.judge?.isLabelled ? LABELS : [];
  const lessons = optimizers.length + shares.length;
  if (lessons === 1) return { optimizer: optimizers[0]! };
  const affordable = Math.floor((openMs * SHARE * size) / (lessons * passMs(quest, trial, size)));
  const seen = Math.min(SAMPLES.most, affordable);
  if (seen < Math.min(SAMPLES.least, size)) return isNormalized ? { optimizer: 'sgd' } : (tuned ?? UNTRIED);
  const best = async (manners: readonly Manner[], before?: Heat): Promise<Heat | undefined> => {
    let first = before;
    for (const manner of manners) {
      const made = await quest.workshop.grow(trial, { step: kind, ...shortLesson(seen, size), ...manner });
      if (made && (!first || isNearer(made, first.made))) first = { manner, made };
    }
    return first;
  };
  const first = await best(optimizers.map((optimizer) => ({ optimizer })));
  if (!first) return tuned ?? UNTRIED;
  const { manner } =
    (await best(
      shares.map((labels) => ({ ...first.manner, labels })),
      first,
    )) ?? first;
  return manner;
}

interface Heat {
  readonly manner: Manner;
  readonly made: Trial;
}

/** Did this lose less, or with the same loss, do its outputs lie nearer to the original's? */
export const isNearer = (a: Trial, b: Trial): boolean =>
  a.drop < b.drop || (a.drop === b.drop && a.distance < b.distance);
