/**
 * Latency as the search sees it: of one sample, on one thread, always against the original in turn.
 *
 * The fastest of the rounds counts: a search lasts long, other programs come and go, and they can only make a round slower.
 */

import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import type { KernelForm } from '../quantize/index.ts';
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
  /** How its integer kernels want weights. Default: as those of the lab's engine. */
  readonly kernels?: KernelForm | undefined;
  time(models: readonly Model[], rounds?: number): Promise<Latency[]>;
}

/** Times on this lab's engine, one sample on one thread, in turn. */
export const engineStopwatch = (lab: Lab, data?: Dataset): Stopwatch => ({
  about: `measured on ${lab.engine.name} ONNX Runtime ${lab.engine.version}, one thread, in turn with the original`,
  async time(models, rounds = 15) {
    const quiet: Lab = { ...lab, onProgress: () => {}, onNote: () => {} };
    const subjects = models.map((model, i) => ({ name: `${i}`, model }));
    const measured = await measureModels(subjects, quiet, { batches: [1], rounds, ...(data && { data }) });
    const [first] = measured;
    return measured.map(({ timings }) => ({
      ratio: timings[0]!.minMs / first!.timings[0]!.minMs,
      ms: timings[0]!.minMs,
    }));
  },
});
