/** What a step works with besides its model: the engine, the seed, and how to tell the caller what is going on. */

import type { Engine } from './engine.ts';
import type { Among } from './in-order.ts';

/** One step of long work done. */
export interface Progress {
  /** What is being done, in the caller's words: "train", "calibrate". */
  readonly task: string;
  readonly done: number;
  readonly total: number;
  /** Figures worth showing beside the bar: loss, accuracy, samples per second. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Lab {
  readonly engine: Engine;
  /** Default 0. All randomness derives from it. */
  readonly seed?: number;
  /** Intra-op threads; default: the engine's own. */
  readonly threads?: number;
  /**
   * Copies of a model that answer at the same time where answers are independent (scores, calibration, scans, recordings), each with its
   * share of the threads. The results are those of one copy with as many threads as each has. Default 1.
   */
  readonly replicas?: number;
  /**
   * Processes that do the same with the same data, and deal out to each other what copies answer: all of them get all results, which
   * are those of one process. Every one of them must be given every call. Default: none.
   */
  readonly among?: Among;
  /** Aborting ends long work between two steps; the step throws `work/aborted`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Something the user should know and no error: what stayed float, what was protected. */
  readonly onNote?: (note: string) => void;
}
