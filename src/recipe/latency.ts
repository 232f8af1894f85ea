/** Which of several forms of a model is the fastest here: measured in turn, on one thread. */

import type { Model } from '../graph/model.ts';
import { measureModels } from '../report/index.ts';
import type { Lab } from '../runtime/index.ts';

const BATCHES = [1, 32];
const ROUNDS = 9;

/** Time of each model over the first one's: geometric mean over the batch sizes, medians of interleaved rounds. */
export async function relativeLatency(models: readonly Model[], lab: Lab): Promise<number[]> {
  const subjects = models.map((model, i) => ({ name: `${i}`, model }));
  const measured = await measureModels(subjects, { ...lab, onNote: () => {} }, { batches: BATCHES, rounds: ROUNDS });
  return measured.map(({ timings }) =>
    Math.exp(timings.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / timings.length),
  );
}
