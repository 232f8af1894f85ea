/** Latency as the search sees it: of one sample, on one thread, always against the original in turn. */

import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { measureModels } from '../report/index.ts';
import type { Lab } from '../runtime/index.ts';

export interface Latency {
  /** Time over the first model's. */
  readonly ratio: number;
  readonly ms: number;
}

/** Times models; the first one is what the others are held against. */
export interface Stopwatch {
  /** For people: where and how. */
  readonly about: string;
  time(models: readonly Model[], rounds?: number): Promise<Latency[]>;
}

/** Times on this lab's engine, one sample on one thread, in turn. */
export const engineStopwatch = (lab: Lab, data?: Dataset): Stopwatch => ({
  about: `measured on ${lab.engine.name} ONNX Runtime ${lab.engine.version}, one thread, in turn with the original`,
  async time(models, rounds = 15) {
    const quiet: Lab = { ...lab, onProgress: () => {}, onNote: () => {} };
    const subjects = models.map((model, i) => ({ name: `${i}`, model }));
    const measured = await measureModels(subjects, quiet, { batches: [1], rounds, ...(data && { data }) });
    return measured.map(({ timings }) => ({ ratio: timings[0]!.ratio, ms: timings[0]!.p50Ms }));
  },
});
