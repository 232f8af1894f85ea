/** Models timed in turn on the same inputs, on one thread. */

import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { type Case, type Lab, type Latency, measure, steadyRun } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { feedsFor } from './observe.ts';

const ROUNDS = 9;

/** Latencies of one run with so many samples. Throws what the engine throws; work/aborted. */
export async function timeInTurn(
  models: readonly Model[],
  data: Dataset,
  batch: number,
  { engine, signal }: Pick<Lab, 'engine' | 'signal'>,
): Promise<Latency[]> {
  const places = Array.from({ length: batch }, (_, i) => i % data.size);
  const feeds = feedsFor(models[0]!.graph, data, places);
  const held: Disposable[] = [];
  try {
    const cases: Case[] = [];
    for (const [i, model] of models.entries()) {
      const session = await loadModel(engine, model, { threads: 1 });
      held.unshift(session);
      const steady = await steadyRun(session, feeds);
      held.unshift(steady);
      cases.push({ name: `${i}`, run: steady.run });
    }
    return await measure(cases, { rounds: ROUNDS, warmup: 2, ...(signal && { signal }) });
  } finally {
    for (const each of held) each[Symbol.dispose]();
  }
}
