/** What ranks send each other in place of whole float32 numbers. */

import type { Lab } from '../../runtime/index.ts';
import type { Collective } from '../collective.ts';

/** A way of sending sums that is shorter than the numbers. It holds none itself: `start` puts it to work. */
export interface Compression {
  /** As the command line names it: `fp16`, `topk:1%`. */
  readonly name: string;
  /** Begins for arrays of `length` numbers. */
  start(length: number, collective: Collective, lab: Lab): Promise<RunningCompression>;
}

export interface RunningCompression extends Disposable {
  /** `values` become about their sum over the ranks, in place: the same bits on all of them. */
  allReduce(values: Float32Array): Promise<void>;
  /** Bytes that a rank sends each time. */
  readonly bytes: number;
  /** Numbers that this rank alone keeps from one time to the next: memory, not a copy. */
  readonly residual?: Float32Array;
}

/** Bytes that a rank sends in an all-reduce of float32 numbers along a ring. Source: Patarasuk and Yuan 2009. */
export const plainBytes = (length: number, ranks: number): number => Math.round((2 * 4 * length * (ranks - 1)) / ranks);
