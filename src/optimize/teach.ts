/** Structures learn from the original, for as long as there is time. */

import type { Dataset } from '../data/index.ts';
import type { ChangeName } from '../recipe/copies.ts';
import { passMs, type Quest } from './quest.ts';
import type { Trial } from './workshop.ts';

/** Fewer samples than this teach a cut network nothing: it is only mended. */
export const TEACHING = 64;
/** What cutting may spend of the bound; integers need the rest. */
const CUTTING = 0.8;
/** What arithmetic with shares is off. */
const ROUNDING = 1e-9;
/** Peak learning rate: bolder where there is time to come down from it. */
const rateFor = (epochs: number): number => (epochs >= 4 ? 2e-3 : 1e-3);

/** Has this lost little enough for a structure? */
export const holdsCut = ({ maxDrop }: Quest, trial: Trial): boolean => trial.drop <= maxDrop * CUTTING + ROUNDING;

const STRUCTURAL: ReadonlySet<string> = new Set(['prune', 'factorize', 'collapse', 'distill']);

/** Was this cut or taught last, and has no ends yet? */
export const isStructure = ({ calls }: Trial): boolean => STRUCTURAL.has(calls.at(-1)?.step ?? '');

/** Changed copies of each image that are learnt from besides it. */
const COPIES = 2;
/** So many samples say enough without. */
const MANY = 20_000;

export interface Lesson {
  readonly epochs: number;
  /** Time that it may take: fewer passes where they do not fit, fewer samples where not even one does. */
  readonly mostMs: number;
  /** Learn from changed copies too, where samples are images: a pass is then longer, and there are fewer of them. */
  readonly augments?: boolean | undefined;
}

/** A lesson from a smaller share of the samples is not worth its time. */
const LEAST_SHARE = 0.05;

/** The structure after a lesson; as it was where there are too few samples, undefined where there is no time. */
export async function teach(quest: Quest, trial: Trial, lesson: Lesson): Promise<Trial | undefined> {
  const learn = quest.bench.learn!;
  if (learn.size < TEACHING) return trial;
  const change = lesson.augments && learn.size < MANY ? changeFor(learn) : undefined;
  const each = change ? 1 + COPIES : 1;
  const pass = passMs(quest, trial, learn.size) * each;
  const affordable = Math.floor(lesson.mostMs / pass);
  if (change && affordable < 1) return await teach(quest, trial, { ...lesson, augments: false });
  const share = lesson.mostMs / pass;
  if (share < LEAST_SHARE) return undefined;
  const samples = affordable >= 1 ? {} : { samples: Math.max(TEACHING, Math.floor(learn.size * share)) };
  const passes = Math.max(1, Math.min(Math.ceil(lesson.epochs / each), affordable));
  const augment = change ? { augment: change, copies: COPIES } : {};
  const lr = rateFor(passes * each);
  return await quest.workshop.grow(trial, { step: 'distill', epochs: passes, lr, ...samples, ...augment });
}

/** Grey images may be letters, which have no other side; undefined for what is no image. */
function changeFor({ inputs }: Dataset): ChangeName | undefined {
  const [input, ...others] = Object.values(inputs);
  if (!input || others.length > 0 || input.dtype !== 'float32' || input.dims.length !== 3) return undefined;
  const changes: Readonly<Record<number, ChangeName>> = { 1: 'shift', 3: 'flip' };
  return changes[input.dims[0]!];
}
