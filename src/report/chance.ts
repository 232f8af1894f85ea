/** A score that a model without any knowledge reaches as well: then the samples are rarely what the model was trained on. */

import { showShare } from '../base/unit.ts';
import { classesOf, type Dataset } from '../data/index.ts';
import type { Metric } from './evaluate.ts';

/** Standard errors within which a score is not told from chance. */
const ERRORS = 3;
/** With fewer samples nothing is said. */
const LEAST = 30;

const PREPARED =
  'are the samples prepared as they were for training (--preset, --mean, --std, --scale, --layout), and the classes in the same order?';
/** For a model that has just learnt. */
export const LEARNT = 'more epochs, or another learning rate (--lr auto)?';

/** What to tell of an accuracy no better than that of one answer for all samples; undefined for any other score. `advice` is what to look at. */
export function chanceNote({ name, value }: Metric, data: Dataset, advice = PREPARED): string | undefined {
  if (name !== 'accuracy' || data.task !== 'classification' || data.labels?.dims.length !== 0) return undefined;
  if (data.size < LEAST) return undefined;
  const counts = new Map<number, number>();
  for (const label of classesOf(data)) counts.set(label, (counts.get(label) ?? 0) + 1);
  if (counts.size < 2) return undefined;
  const most = Math.max(...counts.values()) / data.size;
  if (value > most + ERRORS * Math.sqrt((most * (1 - most)) / data.size)) return undefined;
  return `an accuracy of ${showShare(value)} is no better than one answer for all (${showShare(most)}): ${advice}`;
}
