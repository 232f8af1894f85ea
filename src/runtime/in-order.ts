/** Independent pieces of work, several at a time; their results come in the order of the pieces, however many are at work. */

import type { Lab } from './lab.ts';

export interface Work<T, R> {
  /** What must happen piece by piece, before the piece's own work: reading samples into the lane's memory. */
  readonly ready?: (piece: T, lane: number) => Promise<void> | void;
  readonly work: (piece: T, lane: number) => Promise<R>;
}

/** How many pieces are at work at a time, and the threads of each. */
export function lanesOf({ replicas = 1, threads, engine }: Pick<Lab, 'replicas' | 'threads' | 'engine'>): {
  readonly lanes: number;
  readonly threads?: number;
} {
  if (replicas === 1) return { lanes: 1, ...(threads !== undefined && { threads }) };
  return { lanes: replicas, threads: Math.max(1, Math.floor((threads ?? engine.threads) / replicas)) };
}

/**
 * Results in the order of `pieces`. A lane (0 … `lanes` − 1) takes its next piece once the caller asks for the result after its last
 * one: its memory may be read until then.
 *
 * A piece that fails, or a caller that stops, waits for those that are still at work.
 */
export async function* inOrder<T, R>(
  pieces: Iterable<T>,
  lanes: number,
  { ready, work }: Work<T, R>,
): AsyncGenerator<R, void, void> {
  const atWork: Promise<R>[] = [];
  let taken = 0;
  try {
    for (const [i, piece] of [...pieces].entries()) {
      if (i >= lanes) {
        yield await atWork[taken]!;
        taken += 1;
      }
      await ready?.(piece, i % lanes);
      const one = work(piece, i % lanes);
      one.catch(() => undefined); // told when its turn comes
      atWork.push(one);
    }
    for (; taken < atWork.length; taken++) yield await atWork[taken]!;
  } finally {
    await Promise.allSettled(atWork.slice(taken));
  }
}
