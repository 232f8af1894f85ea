/** Who makes the updates of a run: this process alone, or several that act as one. */

import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type Scorer, scorer } from './score.ts';
import type { StoredArray, StreamedArray } from './tensor-file.ts';
import { openTrainer, type Trainer, type TrainerOptions } from './trainer.ts';

/** Arrays of a run by name: `w/WEIGHT`, `held/WEIGHT`, `best/WEIGHT`, `slot/SLOT/WEIGHT`. */
export type RunArrays = ReadonlyMap<string, StoredArray>;

type ScorerArguments =
  Parameters<typeof scorer> extends [infer M, infer D, unknown, infer How, infer L]
    ? [model: M, data: D, how: How, lab: L]
    : never;

/**
 * What `fit` asks of those who train. Each process of a group runs the same `fit` and calls the same methods in the same order.
 */
export interface Workers {
  /** This is the process that reads and writes files. */
  readonly isFirst: boolean;
  /** Copies of the model in this process, once open. Default 1. */
  readonly replicas?: () => number;
  readonly open: (model: Model, data: Dataset, options: TrainerOptions, lab: Lab) => Promise<Trainer>;
  /** A score of the trainer's weights, asked for by all processes alike. */
  readonly score: (trainer: Trainer, ...args: ScorerArguments) => Promise<Scorer>;
  /** The first process does the work; its answer, plain data, comes to all, and so does what it throws. */
  tell<T>(work: () => T | Promise<T>): Promise<T>;
}

/** What the processes of a group do together in the middle of a run; a trainer alone has none of it. */
export interface Agreement {
  /** Did any process want to stop before the last update? The same answer everywhere. */
  isStopped(): boolean;
  /** Running statistics become the same everywhere. */
  settle(): Promise<void>;
  /** Does this process hold a part of the weight only? */
  isPart(weight: string): boolean;
  /**
   * The first process is given its own arrays, completed by what the others hold, and reads them piece by piece; the others answer
   * meanwhile, and get undefined. What `take` throws, all throw.
   */
  whole<T>(own: RunArrays, take: (arrays: ReadonlyMap<string, StreamedArray>) => Promise<T>): Promise<T | undefined>;
  /** Fills this process's arrays from the first one's whole ones; the others give none. */
  parts(own: RunArrays, whole: RunArrays): Promise<void>;
  /** Where no process holds all weights: a score to which each contributes. All ask for it, and get the same. */
  readonly score?: (...args: ScorerArguments) => Promise<Scorer>;
}

/** This process alone. */
export const alone: Workers = {
  isFirst: true,
  open: openTrainer,
  score: (trainer, model, data, how, lab) => scorer(model, data, trainer.weights(), how, lab),
  tell: async (work) => work(),
};
