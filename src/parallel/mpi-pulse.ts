/**
 * Ranks watch each other in a ring: each tells the next, once a second, that it is there. One that falls silent hangs, though
 * its process lives (one that ended is the launcher's business). A rank whose launcher has gone ends itself.
 */

import { hostname } from 'node:os';
import { PareError } from '../base/error.ts';
import { endAlone } from './end-alone.ts';
import type { Handle, MpiLibrary } from './mpi-library.ts';

export interface PulseOptions {
  readonly mpi: MpiLibrary;
  /** A communicator that nothing else is sent on; undefined where only one thread may call MPI at a time: nobody is watched then. */
  readonly comm?: Handle;
  readonly rank: number;
  readonly size: number;
  /** Seconds of silence after which a rank counts as lost. */
  readonly silenceSeconds: number;
  /** Told once, of the rank that fell silent. */
  readonly onLost: (error: PareError) => void;
}

const BEAT_MS = 1000;
const POLL_MS = 20;
const TAG = 2;
const ALIVE = 1;
/** The sender leaves in order, and will say no more. */
const LEAVING = 2;

/** Starts watching. The answer says good-bye, waits until the rank before has said it too (no message stays behind), and stops. */
export function startPulse({ mpi, comm, rank, size, silenceSeconds, onLost }: PulseOptions): () => Promise<void> {
  const parent = process.ppid;
  const next = (rank + 1) % size;
  const before = (rank + size - 1) % size;
  const say = (what: number): void => {
    if (comm !== undefined && size > 1) mpi.MPI_Send(Uint8Array.of(what), 1, mpi.byte, next, TAG, comm);
  };
  let isLeaving = false;
  let hasLeft = false;
  /** Has the rank before this one been heard since the last time? */
  const isHeard = (): boolean => {
    let heard = false;
    for (;;) {
      const found: [number] = [0];
      mpi.MPI_Iprobe(before, TAG, comm!, found, mpi.statusIgnore);
      if (!found[0]) return heard;
      const word = new Uint8Array(1);
      mpi.MPI_Recv(word, 1, mpi.byte, before, TAG, comm!, mpi.statusIgnore);
      if (word[0] === LEAVING) isLeaving = true;
      heard = true;
    }
  };
  // Counted in this rank's own beats: whoever was busy itself cannot tell how long others were silent.
  let silent = 0;
  const timer = setInterval(() => {
    if (process.ppid !== parent) endAlone();
    if (comm === undefined || size === 1) return;
    if (hasLeft) return; // the work is done: how long others take to write it down is their business
    say(ALIVE);
    silent = isHeard() ? 0 : silent + BEAT_MS / 1000;
    if (isLeaving || silent < silenceSeconds) return;
    clearInterval(timer);
    onLost(
      new PareError(
        'parallel/rank-lost',
        `Rank ${before} has not been heard for ${silent} s: it hangs, or its machine is gone.`,
        {
          where: `rank ${rank} on ${hostname()}`,
          hint: 'a longer limit: PARE_RANK_SILENCE (seconds)',
        },
      ),
    );
  }, BEAT_MS);
  timer.unref();
  return async () => {
    say(LEAVING);
    hasLeft = true;
    while (comm !== undefined && size > 1 && !isLeaving) {
      isHeard();
      if (!isLeaving) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    clearInterval(timer);
  };
}
