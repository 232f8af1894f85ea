/**
 * The search: integers of the whole model first, then smaller and smaller structures, then the ends of the smallest.
 *
 *   tune         where there are labels and time, the original learns from them and teaches what follows
 *   descend      rungs of less and less arithmetic, each taught by the original
 *   merge        runs of layers become single layers, at first and behind the cuts
 *   shed         where time is left: without residual blocks first, and down again from there
 *   polish       what is near the bound learns on, for the rest of the time
 *   finish       the ends of a structure: integers where they are faster, weights in fewer bits
 */

import { isWithin } from '../base/unit.ts';
import type { Lab } from '../runtime/index.ts';
import { hasTarget, missesOf } from './budget.ts';
import { type Descent, descend, startDescent } from './descend.ts';
import { finish } from './finish.ts';
import { mayBeWithin } from './interval.ts';
import { AT_FIRST, merge } from './merge.ts';
import { leastOfEach, polish } from './polish.ts';
import { leftMs, passMs, type Quest, worthOf } from './quest.ts';
import { shed } from './shed.ts';
import { isStructure, TEACHING } from './teach.ts';
import { tuned } from './tune.ts';
import type { Trial, Workshop } from './workshop.ts';

/** Structures whose ends are made: the best, and those to retreat to. */
const FINISHED = 5;
const LEAST_FINISHED = 3;
/** Of these, those that lose more than the bound, which only the evaluation can tell. */
const UNSURE = 2;
/** Share of the time that is kept for merging. */
const MERGING = 0.15;
/** Time that is kept for the ends of the best structures, over that of the original's ends, and at most as a share. */
const ENDS = 2.5;
const MOST_ENDS = 0.15;

/** Fills the workshop with trials, until nothing more is worth trying or the time is over. */
export async function search(quest: Quest, lab: Lab): Promise<void> {
  const { workshop, budget, timeMs, bench, judge } = quest;
  if (!judge || !bench.learn) return await exactSteps(workshop);
  const { root } = workshop;
  const tell = (): void =>
    lab.onProgress?.({
      task: 'optimize',
      done: Math.min(workshop.spentMs(), timeMs) / 1000,
      total: timeMs / 1000,
      figures: { trials: workshop.trials.length },
    });
  const rootMs = workshop.spentMs();
  const ends = async (stem: Trial, learns = true): Promise<Trial | undefined> => {
    const end = await finish(stem, quest, judge, lab, { learns });
    tell();
    return end;
  };
  const isEnough = async (end: Trial | undefined): Promise<boolean> =>
    end !== undefined && missesOf(budget, end).length === 0;

  if ((await isEnough(await ends(root, !judge.isLabelled))) && hasTarget(budget)) return;
  const endsMs = workshop.spentMs() - rootMs;
  await tryStart(quest);
  tell();
  if (bench.learn.size < TEACHING) {
    lab.onNote?.(`${bench.learn.size} samples are too few to teach a cut network: cuts are only mended`);
  }

  const reserveMs = (): number => Math.min(endsMs * ENDS, timeMs * MOST_ENDS);
  const mergeMs = (): number => reserveMs() + timeMs * MERGING;
  const teacher = await tuned(quest, lab);
  tell();
  /** As far down as the bound and the time allow; true where a target is reached. */
  const down = async (from: Trial): Promise<boolean> => {
    for (let at: Descent | undefined = startDescent(from); at; ) {
      at = await descend(quest, at, mergeMs, lab);
      tell();
      if (!at) return false;
      const merged = await merge(quest, at.stem, reserveMs, lab);
      if (merged) at = { ...at, stem: merged };
      tell();
      if (hasTarget(budget) && (await isEnough(await ends(at.stem)))) return true;
    }
    return false;
  };
  const start = teacher ?? root;
  if (await down((await merge(quest, start, mergeMs, lab, AT_FIRST)) ?? start)) return;
  const shallow = await shed(quest, start, mergeMs, lab);
  tell();
  if (shallow && (await down(shallow))) return;
  await polish(quest, reserveMs, lab);
  for (const [i, stem] of toFinish(quest).entries()) {
    // the best ones at least get weights in fewer bits, however late it is
    if (leftMs(quest) <= 0 && i >= LEAST_FINISHED) break;
    await ends(stem);
  }
  if (leftMs(quest) > 0) await ends(root);
}

/** Share of the time left that the learning of a given recipe may take. */
const STARTING = 0.25;

/** The recipe to try first, step by step, where there is time for what it learns. */
async function tryStart(quest: Quest): Promise<void> {
  const { workshop, bench, start } = quest;
  const passes = start.reduce((sum, { epochs }) => sum + Number(epochs ?? 0), 0);
  if (passes * passMs(quest, workshop.root, bench.learn!.size) > leftMs(quest) * STARTING) return;
  let at = workshop.root;
  for (const call of start) at = (await workshop.grow(at, call)) ?? at;
}

/** Structures that hold the bound, and a few that may, the best first. */
function toFinish(quest: Quest): Trial[] {
  const { workshop, maxDrop, judge } = quest;
  const isSure = ({ drop }: Trial): boolean => isWithin(drop, maxDrop);
  const mayHold = ({ drop }: Trial): boolean => mayBeWithin(drop, maxDrop, judge?.data.size ?? 0);
  const stems = leastOfEach(workshop.trials.filter((trial) => isStructure(trial) && mayHold(trial))).sort(
    (a, b) => worthOf(quest, a) - worthOf(quest, b),
  );
  const unsure = new Set(stems.filter((stem) => !isSure(stem)).slice(0, UNSURE));
  return stems.filter((stem) => isSure(stem) || unsure.has(stem)).slice(0, FINISHED);
}

/** Without samples only what is exact is allowed. */
async function exactSteps(workshop: Workshop): Promise<void> {
  const lean = await workshop.grow(workshop.root, { step: 'simplify' });
  await workshop.grow(lean ?? workshop.root, { step: 'store', as: 'exact' });
}
