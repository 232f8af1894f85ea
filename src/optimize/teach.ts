/** Structures learn from the original and from labels, for as long as there is time. */

import { isWithin } from '../base/unit.ts';
import type { Dataset } from '../data/index.ts';
import type { ChangeName } from '../recipe/copies.ts';
import { tuners } from '../recipe/tuner.ts';
import { mannerFor } from './manner.ts';
import { passMs, type Quest } from './quest.ts';
import type { Trial } from './workshop.ts';

/** Fewer samples than this teach a cut network nothing: it is only mended. */
export const TEACHING = 64;
/** What cutting may spend of the bound; integers need the rest. */
const CUTTING = 0.8;

/** Has this lost little enough for a structure? */
export const holdsCut = ({ maxDrop }: Quest, trial: Trial): boolean => isWithin(trial.drop, maxDrop * CUTTING);

const STRUCTURAL: ReadonlySet<string> = new Set(['tune', 'prune', 'drop', 'factorize', 'collapse', 'distill']);

/** Was this cut or taught last, and has no ends yet? */
export const isStructure = ({ calls }: Trial): boolean => STRUCTURAL.has(calls.at(-1)?.step ?? '');

/** Changed copies of each sample that are learnt from besides it: of few samples more, until there are so many. */
const COPIES = { least: 2, most: 12, enough: 1500 };
const copiesOf = (size: number): number =>
  Math.max(COPIES.least, Math.min(COPIES.most, Math.floor(COPIES.enough / size)));
/** So many samples say enough without. */
const MANY = 20_000;

/** A pass over few samples moves weights only a few times: passes are counted as over so many at least. */
const WORTHWHILE = 8192;

/** Passes over `size` samples that move weights as often as `epochs` passes over a set that is large enough. */
export const passesOf = (epochs: number, size: number): number => Math.ceil(epochs * Math.max(1, WORTHWHILE / size));

export interface Lesson {
  /** Passes, of a set that is large enough. */
  readonly epochs: number;
  /** Time that it may take: fewer passes where they do not fit, fewer samples where not even one does. */
  readonly mostMs: number;
}

/** A lesson from a smaller share of the samples is not worth its time. */
const LEAST_SHARE = 0.05;
/** Share of the optimiser's rate for a lesson behind another. */
const AGAIN = 0.3;
/** So many passes are better spent on changed copies of the images than on the same ones again. */
const CHANGING = 6;

/** The structure after a lesson; as it was where there are too few samples, undefined where there is no time. */
export async function teach(quest: Quest, trial: Trial, { epochs, mostMs }: Lesson): Promise<Trial | undefined> {
  const learn = quest.bench.learn!;
  if (learn.size < TEACHING) return trial;
  const manner = await mannerFor('distill', quest, trial, mostMs);
  const pass = passMs(quest, trial, learn.size);
  const affordable = mostMs / pass;
  if (affordable < LEAST_SHARE) return undefined;
  const samples = affordable >= 1 ? {} : { samples: Math.max(TEACHING, Math.floor(learn.size * affordable)) };
  const passes = Math.max(1, Math.min(passesOf(epochs, learn.size), Math.floor(affordable)));
  const change = passes >= CHANGING ? changeFor(learn) : undefined;
  // with labels alone images change anew in every pass; a teacher's answers are recorded, of copies too
  const isLive = manner.labels === 1;
  const copies = copiesOf(learn.size);
  const times = change && !isLive ? 1 + copies : 1;
  // what was taught before is nearly there: a full rate would undo some of it
  const wasTaught = trial.calls.at(-1)?.step === 'distill';
  return await quest.workshop.grow(trial, {
    step: 'distill',
    epochs: Math.max(1, Math.floor(passes / times)),
    ...manner,
    ...(wasTaught && { lr: tuners[manner.optimizer].lr * AGAIN }),
    ...samples,
    ...(change && { augment: change, ...(!isLive && { copies }) }),
  });
}

/** The structure after a lesson, or as it was where that lost less: few samples can teach a good cut worse. Undefined where there is no time. */
export async function taughtOrNot(quest: Quest, trial: Trial, lesson: Lesson): Promise<Trial | undefined> {
  const taught = await teach(quest, trial, lesson);
  return taught && trial.drop < taught.drop ? trial : taught;
}

/** Grey images may be letters, which have no other side; other numbers are mixed. Undefined for what is not all floats, or where many samples say enough. */
export function changeFor({ inputs, size }: Dataset): ChangeName | undefined {
  const columns = Object.values(inputs);
  if (columns.some(({ dtype }) => dtype !== 'float32') || size >= MANY) return undefined;
  const [input, ...others] = columns;
  if (others.length > 0 || input!.dims.length !== 3) return 'blend';
  const images: Readonly<Record<number, ChangeName>> = { 1: 'shift', 3: 'flip' };
  return images[input!.dims[0]!];
}
