/** Who is there: every rank that waits tells all others, and listens for a moment. */

import type { Handle, MpiLibrary } from './mpi-library.ts';

/** How long ranks have to say that they are there, after one was missed. */
const ROLL_CALL_MS = 1000;
const TAG = 1;

/** The ranks that do not answer. */
export async function rollCall(mpi: MpiLibrary, roll: Handle, rank: number, size: number): Promise<number[]> {
  const others = Array.from({ length: size }, (_, r) => r).filter((r) => r !== rank);
  const here = new Uint8Array(1);
  for (const other of others) void mpi.MPI_Send.later(here, 1, mpi.byte, other, TAG, roll).catch(() => undefined);
  const silent = new Set(others);
  for (const until = performance.now() + ROLL_CALL_MS; silent.size > 0 && performance.now() < until; ) {
    for (const other of silent) {
      const found: [number] = [0];
      mpi.MPI_Iprobe(other, TAG, roll, found, mpi.statusIgnore);
      if (found[0]) silent.delete(other);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return [...silent];
}
