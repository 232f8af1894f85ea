/** Independent pieces of work, several at a time; their results come in the order of the pieces, however many are at work. */

import type { Lab } from './lab.ts';

export interface Work<T, R> {
  /** What may happen while earlier pieces are at work: bringing samples near. */
  readonly ahead?: (piece: T) => Promise<void> | undefined;
  /** What must happen piece by piece, before the piece's own work: reading samples into the lane's memory. */
  readonly ready?: (piece: T, lane: number) => Promise<void> | void;
  readonly work: (piece: T, lane: number) => Promise<R>;
}

/** Processes that all do the same, and share the work of it. */
export interface Among {
  readonly rank: number;
  readonly size: number;
  /** What `work` gives on rank `from`, on all ranks: plain data, typed arrays and maps. Throws on all what it threw there. */
  spread<T>(from: number, work: () => Promise<T>): Promise<T>;
}

/** Who takes pieces: so many lanes in this process, or in each of several. */
export interface Hands {
  readonly lanes: number;
  readonly among?: Among;
}

/** How many pieces are at work at a time, the threads of each, and the processes that they are dealt out to. */
export function lanesOf({
  replicas = 1,
  threads,
  engine,
  among,
}: Pick<Lab, 'replicas' | 'threads' | 'engine' | 'among'>): {
  readonly hands: Hands;
  readonly threads?: number;
} {
  const hands: Hands = { lanes: replicas, ...(among && { among }) };
  if (replicas === 1) return { hands, ...(threads !== undefined && { threads }) };
  return { hands, threads: Math.max(1, Math.floor((threads ?? engine.threads) / replicas)) };
}

/** The lab of a piece that runs models itself: one copy, in this process, with a lane's threads. */
export function labOfPiece(lab: Lab): Lab {
  const { among: _, ...own } = lab;
  const { threads } = lanesOf(lab);
  return { ...own, replicas: 1, ...(threads !== undefined && { threads }) };
}

/** What the first process makes of it, on all; what a clock or a disk says is then the same everywhere. */
export const byFirst = <T>({ among }: Pick<Lab, 'among'>, work: () => Promise<T>): Promise<T> =>
  among ? among.spread(0, work) : work();

/**
 * Results in the order of `pieces`. A lane (0 … `lanes` − 1) takes its next piece once the caller asks for the result after its last
 * one: its memory may be read until then.
 *
 * Over processes each takes every n-th piece, and all get all results; what is not plain data stays out of them.
 * A piece that fails, or a caller that stops, waits for those that are still at work.
 */
export async function* inOrder<T, R>(
  pieces: Iterable<T>,
  { lanes, among }: Hands,
  work: Work<T, R>,
): AsyncGenerator<R, void, void> {
  if (!among || among.size === 1) {
    yield* inLanes(pieces, lanes, work);
    return;
  }
  const { rank, size } = among;
  const all = [...pieces];
  const own = inLanes(
    all.filter((_, i) => i % size === rank),
    lanes,
    work,
  );
  // Asked for ahead, so that all work at the same time; told in turn.
  const next = (): Promise<IteratorResult<R, void>> => {
    const one = own.next();
    one.catch(() => undefined);
    return one;
  };
  let coming = next();
  try {
    for (let i = 0; i < all.length; i++) {
      const from = i % size;
      const result = await among.spread(from, async () => (await coming).value as R);
      if (from === rank) coming = next();
      yield result;
    }
  } finally {
    await own.return();
  }
}

async function* inLanes<T, R>(
  pieces: Iterable<T>,
  lanes: number,
  { ahead, ready, work }: Work<T, R>,
): AsyncGenerator<R, void, void> {
  const all = [...pieces];
  /** Those whose results nobody has asked for yet; what was told is let go. */
  const atWork: Promise<R>[] = [];
  let coming = all.length > 0 ? ahead?.(all[0]!) : undefined;
  try {
    for (const [i, piece] of all.entries()) {
      if (i >= lanes) {
        yield await atWork[0]!;
        atWork.shift();
      }
      await coming;
      await ready?.(piece, i % lanes);
      const one = work(piece, i % lanes);
      one.catch(() => undefined); // told when its turn comes
      atWork.push(one);
      coming = i + 1 < all.length ? ahead?.(all[i + 1]!) : undefined;
      coming?.catch(() => undefined);
    }
    for (; atWork.length > 0; atWork.shift()) yield await atWork[0]!;
  } finally {
    await Promise.allSettled([...atWork, coming]);
  }
}
