/**
 * Down to smaller structures, rung by rung.
 *
 *   rung       a structure with a share of the multiply-accumulates: pruned, with fewer blocks, factorised or collapsed
 *   halving    all ways to a rung are tried without learning; the better half learns from few samples; the best learns for long
 *   stem       the smallest structure that held the bound; the next rung starts from it
 *   back off   a rung that loses too much is tried again nearer to the stem; one that lost hardly anything makes the next bolder
 */

import type { StepCall } from '../recipe/index.ts';
import type { Lab } from '../runtime/index.ts';
import { mannerFor } from './manner.ts';
import { leftMs, passMs, type Quest, worthOf } from './quest.ts';
import { hasBlocks } from './shed.ts';
import { shortLesson } from './short-lesson.ts';
import { holdsCut, TEACHING, taughtOrNot, teach } from './teach.ts';
import type { Trial } from './workshop.ts';

/** Steps down, as shares of the multiply-accumulates: the first, the boldest, one behind a rung that lost something, the last worth a trial. */
const FIRST_STEP = 0.4;
const BOLDEST = 0.25;
const CAREFUL = 0.6;
const LEAST_STEP = 0.85;
/** A structure that is not at least this much better in the objective goes behind those that are. */
const BETTER = 0.96;
/** Passes of a rung: few long lessons make more than many short ones. Those that follow where it lost at most so many times what it may. */
const EPOCHS = 9;
const MORE_EPOCHS = 12;
const NEAR = 4;
/** Share of the time left that one rung may learn for. */
const RUNG = 0.45;
/** Further ways are tried as long as this share of the time is still there. */
const LOOKING = 0.93;
/** What still loses more than this after a short lesson is not worth a long one, where gentler steps are left. */
const HOPELESS = 0.2;
const GENTLE = 0.7;
/** Samples of a short lesson, and the share of the time that those of a rung may take together. */
const SHORT = { least: 512, most: 4000, share: 0.15 };

/** Where a descent stands. */
export interface Descent {
  readonly stem: Trial;
  /** The next step down: share of the stem's multiply-accumulates. */
  readonly stepDown: number;
}

export const startDescent = (root: Trial): Descent => ({ stem: root, stepDown: FIRST_STEP });

/** Down to the next structure that holds; undefined where there is none, or when less than `reserveMs` is left. */
export async function descend(
  quest: Quest,
  { stem, stepDown }: Descent,
  reserveMs: () => number,
  lab: Lab,
): Promise<Descent | undefined> {
  const openMs = (): number => leftMs(quest) - reserveMs();
  for (let step = stepDown; openMs() > 0 && step < LEAST_STEP; step = Math.sqrt(step)) {
    const tuned = await climb(quest, stem, step, openMs, lab);
    if (!tuned) return undefined;
    const { trial, isEasy } = tuned;
    if (trial.macs + trial.parameters < stem.macs + stem.parameters && holdsCut(quest, trial)) {
      return { stem: trial, stepDown: isEasy ? Math.max(BOLDEST, step * 0.8) : Math.max(CAREFUL, step) };
    }
  }
  return undefined;
}

interface Climbed {
  readonly trial: Trial;
  /** Did it hold after the first passes? */
  readonly isEasy: boolean;
}

/** One rung down from the stem: all ways, halved, the best one taught. Undefined where nothing can be cut. */
async function climb(
  quest: Quest,
  stem: Trial,
  stepDown: number,
  openMs: () => number,
  lab: Lab,
): Promise<Climbed | undefined> {
  const { workshop, bench } = quest;
  const cuts: Trial[] = [];
  const startMs = openMs();
  const ways = waysDown(stem, stepDown, workshop.root);
  if (await hasBlocks(stem, quest)) ways.unshift({ step: 'drop', keepMacs: shareOf(stepDown) });
  for (const [i, call] of ways.entries()) {
    if (openMs() <= 0 || (i > 0 && openMs() < startMs * LOOKING)) break;
    const cut = await workshop.grow(stem, call);
    if (cut && (cut.macs < stem.macs * 0.98 || cut.parameters < stem.parameters * 0.98)) cuts.push(cut);
  }
  if (cuts.length === 0) return undefined;
  const isBetter = (cut: Trial): boolean => worthOf(quest, cut) < worthOf(quest, stem) * BETTER;
  cuts.sort((a, b) => Number(isBetter(b)) - Number(isBetter(a)) || promiseOf(quest, a) - promiseOf(quest, b));
  const size = bench.learn!.size;
  const winner = cuts.length > 1 ? await shortlist(quest, cuts, openMs) : cuts[0]!;
  if (size >= TEACHING) await mannerFor('distill', quest, winner, openMs());
  const glimpse = shortOf(quest, winner);
  if (glimpse && glimpse.drop > HOPELESS && stepDown < GENTLE) return { trial: glimpse, isEasy: false };
  lab.onNote?.(`${winner.calls.at(-1)!.step} to ${Math.round(stepDown * 100)} % learns from the original`);
  const first = await taughtOrNot(quest, winner, { epochs: EPOCHS, mostMs: openMs() * RUNG });
  if (!first) return undefined;
  if (holdsCut(quest, first) || first.drop > quest.maxDrop * NEAR || openMs() * RUNG < passMs(quest, first, size)) {
    return { trial: first, isEasy: first.drop <= 0.2 * quest.maxDrop };
  }
  const longer = await teach(quest, first, { epochs: MORE_EPOCHS, mostMs: openMs() * RUNG });
  return { trial: longer && longer.drop < first.drop ? longer : first, isEasy: false };
}

/** The best of the short lessons that a structure had so far. */
function shortOf({ workshop }: Quest, { calls }: Trial): Trial | undefined {
  const from = JSON.stringify(calls);
  const lessons = workshop.trials.filter(
    (trial) => trial.calls.at(-1)?.step === 'distill' && JSON.stringify(trial.calls.slice(0, -1)) === from,
  );
  return lessons.sort((a, b) => a.drop - b.drop)[0];
}

/** Gain in the objective, as a logarithm, that makes up for the loss of all samples at this stage: 7 % for a point. */
const EXCHANGE = 7;

/** The smaller, the better: what is hardly worse and much faster should learn on. */
const promiseOf = (quest: Quest, trial: Trial): number =>
  Math.log(worthOf(quest, trial)) + EXCHANGE * Math.max(0, trial.drop - quest.maxDrop);

/** The better half of the ways after a look at few samples; the best without one where there is no time for it. */
async function shortlist(quest: Quest, cuts: readonly Trial[], openMs: () => number): Promise<Trial> {
  const half = cuts.slice(0, Math.max(2, Math.ceil(cuts.length / 2)));
  const { size } = quest.bench.learn!;
  const passes = half.reduce((sum, cut) => sum + passMs(quest, cut, size), 0);
  const seen = Math.min(SHORT.most, Math.floor((openMs() * SHORT.share * size) / passes));
  if (half.length === 1 || seen < Math.max(TEACHING, Math.min(SHORT.least, size))) return cuts[0]!;
  const short: { cut: Trial; promise: number }[] = [];
  for (const cut of half) {
    const manner = await mannerFor('distill', quest, cut, openMs());
    const taught = await quest.workshop.grow(cut, { step: 'distill', ...shortLesson(seen, size), ...manner });
    if (taught) short.push({ cut, promise: promiseOf(quest, taught) });
  }
  return short.sort((a, b) => a.promise - b.promise)[0]?.cut ?? cuts[0]!;
}

const shareOf = (step: number): number => Number(step.toFixed(4));

/** How the stem can become smaller, the most promising first; what won before wins again. Shares are of the stem. */
function waysDown(stem: Trial, stepDown: number, root: Trial): StepCall[] {
  const keepMacs = shareOf(stepDown);
  // parameters follow, where the arithmetic is elsewhere
  const wanted = (stem.macs / root.macs) * stepDown * 1.5;
  const keepParameters = Number(Math.min(1, (wanted * root.parameters) / Math.max(1, stem.parameters)).toFixed(4));
  const both = keepParameters < 1 ? { keepMacs, keepParameters } : { keepMacs };
  const before = stem.calls.findLast(({ step }) => step === 'prune')?.['by'];
  const criteria = before === undefined ? ['wanda', 'fpgm', 'taylor'] : [`${before}`];
  const prunings = criteria.map((by): StepCall => ({ step: 'prune', by, ...both }));
  const isWhole = stem.macs === root.macs;
  const others: StepCall[] = isWhole
    ? [
        { step: 'factorize', keepMacs },
        { step: 'collapse', keepMacs },
      ]
    : [];
  return [...prunings, ...others];
}
