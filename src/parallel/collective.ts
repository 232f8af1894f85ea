/** What a group of ranks can do together: the few collectives that parallel training is made of. */

import { PareError } from '../base/error.ts';

/** How `allReduce` and `reduceScatter` combine the ranks' numbers. */
export type Reduction = 'sum' | 'mean';

/**
 * One rank's end of a group. Every rank calls the same collectives, in the same order, with arrays of the same length;
 * one at a time. Numbers are float32 and every rank ends with the same bits.
 *
 * Throws   parallel/mismatch when ranks ask for different things (where it can be seen); parallel/rank-lost when a rank
 *          does not come within the group's time limit; parallel/mpi with MPI's own words.
 */
export interface Collective {
  readonly kind: 'alone' | 'local' | 'mpi';
  /** This rank, from 0. */
  readonly rank: number;
  /** Number of ranks. */
  readonly size: number;
  /** Every rank's `values` become the sum (default) or mean over the ranks, in place. */
  allReduce(values: Float32Array, by?: Reduction): Promise<void>;
  /** This rank's block (`blockOf`) of `values` becomes the sum or mean over the ranks; the rest is left undefined. */
  reduceScatter(values: Float32Array, by?: Reduction): Promise<void>;
  /** Every rank's block (`blockOf`) of `values` comes to all ranks, in place. */
  allGather(values: Float32Array): Promise<void>;
  /** Block b of `values`, of as many as there are ranks and all of one length, goes to rank b; block b of `into` comes from it. */
  allToAll(values: Float32Array, into: Float32Array): Promise<void>;
  /** Every rank's `values` become those of rank `root` (default 0), in place. */
  broadcast(values: Float32Array, root?: number): Promise<void>;
  /** Waits until every rank is here. */
  barrier(): Promise<void>;
  /** To one rank; messages between two ranks with one `tag` (default 0) arrive in order. `values` may be written again once it resolves. */
  send(values: Float32Array, to: number, tag?: number): Promise<void>;
  /** From one rank, into `values`, which has the length of what was sent. */
  receive(values: Float32Array, from: number, tag?: number): Promise<void>;
  /**
   * The ranks that give the same colour (a whole number ≥ 0) as a group of their own, in the order of this one.
   * Every rank of this group calls it; only this group ends and aborts.
   */
  split(color: number): Promise<Collective>;
  /** Leaves the group in order; every rank must. Nothing may be called afterwards. */
  end(): Promise<void>;
  /** Stops all ranks at once with this exit status, wherever they are: for errors that the other ranks do not know of. */
  abort(status?: number): void;
}

/** The part [from, to) of `length` numbers that belongs to a rank: as even as whole numbers allow. */
export const blockOf = (length: number, size: number, rank: number): readonly [from: number, to: number] => [
  Math.floor((length * rank) / size),
  Math.floor((length * (rank + 1)) / size),
];

/** The error for ranks that do not ask for the same. */
export const mismatch = (what: string, expected: string, got: string): PareError =>
  new PareError('parallel/mismatch', `The ranks do not agree on ${what}.`, { expected, got });
