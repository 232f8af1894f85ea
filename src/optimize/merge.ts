/** Runs of layers behind the cuts become single layers, taught by the original like a rung. */

import type { Lab } from '../runtime/index.ts';
import { leftMs, type Quest, worthOf } from './quest.ts';
import { holdsCut, teach } from './teach.ts';
import type { Trial } from './workshop.ts';

/** A single layer whose closed form is further off than this is not taught. */
const MOST_ERROR = 0.5;
/** A merged structure must be this much better in the objective. */
const BETTER = 0.97;
const EPOCHS = 6;
/** Share of the time left that the merged structure may learn for. */
const SHARE = 0.5;

/** The stem with its runs merged; undefined where there are none, or where that is no gain or loses too much. */
export async function merge(quest: Quest, stem: Trial, reserveMs: () => number, lab: Lab): Promise<Trial | undefined> {
  for (const by of ['dense', 'conv'] as const) {
    if (leftMs(quest) <= reserveMs()) return undefined;
    const merged = await quest.workshop.grow(stem, { step: 'collapse', by, maxError: MOST_ERROR });
    if (!merged || worthOf(quest, merged) >= worthOf(quest, stem) * BETTER) continue;
    lab.onNote?.(`runs of layers as one ${by} layer: ${merged.notes.join('; ')}`);
    const taught = await teach(quest, merged, { epochs: EPOCHS, mostMs: (leftMs(quest) - reserveMs()) * SHARE });
    if (taught && holdsCut(quest, taught)) return taught;
  }
  return undefined;
}
