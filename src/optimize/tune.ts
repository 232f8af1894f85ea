/** Where labels say more than the original knows, it learns from them first: it is then the stem, and the teacher of all that follows. */

import type { Lab } from '../runtime/index.ts';
import { mannerFor } from './manner.ts';
import { leftMs, passMs, type Quest } from './quest.ts';
import { changeFor, TEACHING } from './teach.ts';
import type { Trial } from './workshop.ts';

/** Share of the time left that it may learn for, and passes. */
const SHARE = 0.35;
const EPOCHS = { least: 1, most: 8 };
/** A gain below this, as a share of the samples, is luck. */
const GAIN = 0.005;

/** The original after a lesson from labels; undefined where there are none, or no time, or where that does not make it better. */
export async function tuned(quest: Quest, lab: Lab): Promise<Trial | undefined> {
  const { workshop, bench, judge } = quest;
  const { root } = workshop;
  const learn = bench.learn!;
  const openMs = leftMs(quest);
  const epochsIn = (ms: number): number => Math.min(EPOCHS.most, Math.floor(ms / passMs(quest, root, learn.size)));
  if (!judge?.isLabelled || learn.size < TEACHING || epochsIn(openMs * SHARE) < EPOCHS.least) return undefined;
  const { optimizer } = await mannerFor('tune', quest, root, openMs * SHARE);
  // the short lessons told how long a pass really takes
  const epochs = epochsIn(openMs * SHARE - (openMs - leftMs(quest)));
  if (epochs < 1) return undefined;
  lab.onNote?.('the original learns from the labels first');
  const change = changeFor(learn);
  // between two samples there is a teacher's answer, but no label
  const isKept = change !== undefined && change !== 'blend';
  const call = { step: 'tune', epochs, optimizer, ...(isKept && { augment: change }) } as const;
  const trial = await workshop.grow(root, call);
  return trial && trial.drop < -GAIN ? trial : undefined;
}
