/**
 * The other way down: residual blocks go, few at a time, for as long as the rest can be taught what they did. Where time goes into many small
 * nodes, fewer layers save what narrower ones do not.
 */

import { blocksOf } from '../prune/index.ts';
import type { Lab } from '../runtime/index.ts';
import { mannerFor } from './manner.ts';
import { leftMs, type Quest, worthOf } from './quest.ts';
import { holdsCut, TEACHING, taughtOrNot } from './teach.ts';
import type { Trial } from './workshop.ts';

/** Share of the multiply-accumulates that stay at first; gentler where that loses too much, up to the last worth a trial. */
const FIRST_STEP = 0.75;
const LEAST_STEP = 0.94;
/** What is not at least this much better in the objective is not worth a lesson. */
const BETTER = 0.96;
const EPOCHS = 12;
/** Share of the time left that one lesson may take. */
const SHARE = 0.3;

/** Has it residual blocks that can go? Where channels went before, they stay. */
export async function hasBlocks(stem: Trial, { workshop }: Quest): Promise<boolean> {
  const isCut = stem.calls.some(({ step }) => step === 'prune');
  return !isCut && blocksOf((await workshop.modelOf(stem)).graph).length > 0;
}

/** The structure without as many blocks as the bound allows; undefined where none may go, or less than `reserveMs` is left. */
export async function shed(quest: Quest, start: Trial, reserveMs: () => number, lab: Lab): Promise<Trial | undefined> {
  const openMs = (): number => leftMs(quest) - reserveMs();
  let stem = start;
  for (let step = FIRST_STEP; openMs() > 0 && step < LEAST_STEP && (await hasBlocks(stem, quest)); ) {
    const lesson = { epochs: EPOCHS, mostMs: openMs() * SHARE };
    const cut = await quest.workshop.grow(stem, { step: 'drop', keepMacs: Number(step.toFixed(4)) });
    if (!cut) break;
    const isWorth = worthOf(quest, cut) < worthOf(quest, stem) * BETTER;
    if (isWorth && quest.bench.learn!.size >= TEACHING) await mannerFor('distill', quest, cut, openMs());
    const taught = isWorth ? await taughtOrNot(quest, cut, lesson) : undefined;
    if (taught && holdsCut(quest, taught)) {
      lab.onNote?.(`without blocks that leave ${Math.round(step * 100)} % it answers as before`);
      stem = taught;
    } else step = Math.sqrt(step);
  }
  return stem === start ? undefined : stem;
}
