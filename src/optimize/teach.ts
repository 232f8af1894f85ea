/** Structures learn from the original, for as long as there is time. */

import { passMs, type Quest } from './quest.ts';
import type { Trial } from './workshop.ts';

/** Fewer samples than this teach a cut network nothing: it is only mended. */
export const TEACHING = 64;
/** What cutting may spend of the bound; integers need the rest. */
const CUTTING = 0.6;
/** Peak learning rate. */
const RATE = 2e-3;

/** Has this lost little enough for a structure? */
export const holdsCut = ({ maxDrop }: Quest, trial: Trial): boolean => trial.drop <= maxDrop * CUTTING;

/** The structure after so many passes, or as many as fit into the time; fewer samples where not even one does, none where there are too few. */
export async function teach(quest: Quest, trial: Trial, epochs: number, mostMs: number): Promise<Trial | undefined> {
  const size = quest.bench.learn!.size;
  if (size < TEACHING) return trial;
  const pass = passMs(quest, trial, size);
  const affordable = Math.floor(mostMs / pass);
  const samples = affordable >= 1 ? {} : { samples: Math.max(TEACHING, Math.floor((size * mostMs) / pass)) };
  return await quest.workshop.grow(trial, {
    step: 'distill',
    epochs: Math.max(1, Math.min(epochs, affordable)),
    lr: RATE,
    ...samples,
  });
}
