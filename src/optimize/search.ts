/**
 * The search: integers of the whole model first, then smaller and smaller structures, then the ends of the smallest.
 *
 *   descend      rungs of less and less arithmetic, each taught by the original
 *   merge        runs of layers behind the cuts become single layers
 *   finish       the ends of a structure: integers where they are faster, weights in fewer bits
 */

import type { Lab } from '../runtime/index.ts';
import { hasTarget, missesOf } from './budget.ts';
import { descend } from './descend.ts';
import { finish } from './finish.ts';
import { merge } from './merge.ts';
import { leftMs, type Quest, worthOf } from './quest.ts';
import { TEACHING } from './teach.ts';
import type { Trial, Workshop } from './workshop.ts';

/** Structures whose ends are made: the best, and those to retreat to. */
const FINISHED = 3;
/** Share of the time that is kept for merging. */
const MERGING = 0.15;
/** Time that is kept for the ends of the best structures, over that of the original's ends. */
const ENDS = 2.5;

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
  const ends = async (stem: Trial): Promise<Trial | undefined> => {
    const end = await finish(stem, quest, judge, lab);
    tell();
    return end;
  };
  const isEnough = async (end: Trial | undefined): Promise<boolean> =>
    end !== undefined && missesOf(budget, end).length === 0;

  if ((await isEnough(await ends(root))) && hasTarget(budget)) return;
  const endsMs = workshop.spentMs() - rootMs;
  if (bench.learn.size < TEACHING) {
    lab.onNote?.(`${bench.learn.size} samples are too few to teach a cut network: cuts are only mended`);
  }

  const held: Trial[] = [root];
  const smallest = (): Trial => held.at(-1)!;
  const reserveMs = (): number => endsMs * ENDS;
  for (;;) {
    const before = held.length;
    const way = {
      from: smallest(),
      reserveMs: () => reserveMs() + timeMs * MERGING,
      isEnough: async (stem: Trial) => hasTarget(budget) && (await isEnough(await ends(stem))),
    };
    held.push(...(await descend(quest, way, lab)));
    tell();
    const merged = held.length > 1 ? await merge(quest, smallest(), reserveMs, lab) : undefined;
    if (merged) held.push(merged);
    tell();
    if (held.length === before || !merged) break;
  }
  for (const stem of toFinish(quest)) {
    if (leftMs(quest) <= 0) break;
    await ends(stem);
  }
}

const STRUCTURAL: ReadonlySet<string> = new Set(['prune', 'factorize', 'collapse', 'distill']);

/** Structures within the bound, the best first: of models of the same size, the one that lost least. */
function toFinish(quest: Quest): Trial[] {
  const bySize = new Map<string, Trial>();
  for (const trial of quest.workshop.trials) {
    const isStructure = STRUCTURAL.has(trial.calls.at(-1)?.step ?? '');
    if (!isStructure || trial.drop > quest.maxDrop) continue;
    const size = `${trial.macs} ${trial.parameters}`;
    const known = bySize.get(size);
    if (!known || trial.drop < known.drop) bySize.set(size, trial);
  }
  return [...bySize.values()].sort((a, b) => worthOf(quest, a) - worthOf(quest, b)).slice(0, FINISHED);
}

/** Without samples only what is exact is allowed. */
async function exactSteps(workshop: Workshop): Promise<void> {
  const lean = await workshop.grow(workshop.root, { step: 'simplify' });
  await workshop.grow(lean ?? workshop.root, { step: 'store', as: 'exact' });
}
