/** Sums over the replicas of this process and those of all ranks, asked for in the middle of a step. */

import type { Collective } from './collective.ts';

export type Sums = Pick<Collective, 'allReduce'>;

/** One replica's call, waiting for the others. */
interface Arrival {
  readonly values: Float32Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface PeerSums {
  /** Each replica's end. All call it in the same order, with arrays of one length; every one gets the same bits. */
  readonly ends: readonly Sums[];
  /** A replica failed: those that wait for it fail too, until the next step begins. */
  fail(error: unknown): void;
  begin(): void;
}

/** Sums run in the order of the replicas, then over the ranks. */
export function peerSums(replicas: number, collective: Sums): PeerSums {
  let arrivals: (Arrival | undefined)[] = [];
  let count = 0;
  let failure: { readonly error: unknown } | undefined;

  const join = async (all: readonly Arrival[]): Promise<void> => {
    const [{ values: sum }, ...others] = all as [Arrival, ...Arrival[]];
    for (const { values } of others) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + values[i]!;
    try {
      await collective.allReduce(sum);
    } catch (error) {
      for (const { reject } of all) reject(error);
      return;
    }
    for (const { values } of others) values.set(sum);
    for (const { resolve } of all) resolve();
  };
  return {
    ends: Array.from({ length: replicas }, (_, r) => ({
      allReduce: (values: Float32Array) =>
        new Promise<void>((resolve, reject) => {
          if (failure) return void reject(failure.error);
          arrivals[r] = { values, resolve, reject };
          count += 1;
          if (count < replicas) return;
          const all = arrivals as Arrival[];
          [arrivals, count] = [[], 0];
          void join(all);
        }),
    })),
    fail(error) {
      failure ??= { error };
      for (const each of arrivals) each?.reject(error);
      [arrivals, count] = [[], 0];
    },
    begin: () => {
      failure = undefined;
    },
  };
}
