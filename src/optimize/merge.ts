/** Runs of layers become single layers, taught by the original like a rung: of the whole network first, then behind every cut. */

import type { Lab } from '../runtime/index.ts';
import { leftMs, type Quest, worthOf } from './quest.ts';
import { holdsCut, taughtOrNot } from './teach.ts';
import type { Trial } from './workshop.ts';

/** A single layer whose closed form is further off than this is not taught; where all that are near enough are too many, only the nearest. */
const MOST_ERRORS = [0.5, 0.3];
/** A merged structure must be this much better in the objective. */
const BETTER = 0.97;
const EPOCHS = 6;

/** How much merging may cost. */
export interface Effort {
  /** Share of the time left that the merged structure may learn for. */
  readonly share: number;
  /** What it may lose before it learns. */
  readonly mostDrop: number;
}
/** Of the whole network: only what is nearly right, since cuts may be the better way down. */
export const AT_FIRST: Effort = { share: 0.15, mostDrop: 0.3 };
const BEHIND_A_CUT: Effort = { share: 0.5, mostDrop: 1 };

/** The stem with its runs merged; undefined where there are none, or where that is no gain or loses too much. */
export async function merge(
  quest: Quest,
  stem: Trial,
  reserveMs: () => number,
  lab: Lab,
  { share, mostDrop }: Effort = BEHIND_A_CUT,
): Promise<Trial | undefined> {
  const tried = new Set<number>();
  for (const by of ['dense', 'conv'] as const) {
    for (const maxError of MOST_ERRORS) {
      if (leftMs(quest) <= reserveMs()) return undefined;
      const merged = await quest.workshop.grow(stem, { step: 'collapse', by, maxError });
      if (!merged || merged.notes.length === 0 || tried.has(merged.macs) || merged.drop > mostDrop) continue;
      if (worthOf(quest, merged) >= worthOf(quest, stem) * BETTER) continue;
      tried.add(merged.macs);
      lab.onNote?.(`runs of layers as one ${by} layer: ${merged.notes.join('; ')}`);
      const taught = await taughtOrNot(quest, merged, {
        epochs: EPOCHS,
        mostMs: (leftMs(quest) - reserveMs()) * share,
      });
      if (taught && holdsCut(quest, taught)) return taught;
    }
  }
  return undefined;
}
