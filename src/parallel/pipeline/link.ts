/** The links through which neighbouring stages wait for each other. */

import type { Collective } from '../collective.ts';

/** What passes between a stage and the next: values one way, slopes the other. Each micro-batch has a place in a ring of memory. */
export interface Link {
  readonly ring: number;
  readonly values: readonly Float32Array[];
  readonly slopes: readonly Float32Array[];
  /** Before a place is written: what it held has left. */
  free(kind: 'values' | 'slopes', micro: number): Promise<void>;
  /** It is written. */
  give(kind: 'values' | 'slopes', micro: number): void;
  /** It may be read. */
  take(kind: 'values' | 'slopes', micro: number): Promise<void>;
  /** The step is over: nothing is on its way any more. */
  close(): Promise<void>;
  /** Nobody will give any more: those who wait are told why. */
  fail(reason: unknown): void;
}

const rings = (length: number, ring: number) => ({
  ring,
  values: Array.from({ length: ring }, () => new Float32Array(length)),
  slopes: Array.from({ length: ring }, () => new Float32Array(length)),
});

/** Two stages in one process: the memory is shared, and only turns are taken. */
export function sharedLink(length: number, ring: number): Link {
  const given = { values: 0, slopes: 0 };
  let waiting: { kind: 'values' | 'slopes'; micro: number; resolve: () => void; reject: (why: unknown) => void }[] = [];
  return {
    ...rings(length, ring),
    free: async () => undefined, // the order of work has freed it: it is never further ahead than the ring is long
    give(kind, micro) {
      given[kind] = micro + 1;
      const ready = waiting.filter((each) => each.micro < given[each.kind]);
      waiting = waiting.filter((each) => !ready.includes(each));
      for (const { resolve } of ready) resolve();
    },
    take: (kind, micro) =>
      micro < given[kind]
        ? Promise.resolve()
        : new Promise((resolve, reject) => waiting.push({ kind, micro, resolve, reject })),
    async close() {
      given.values = 0;
      given.slopes = 0;
    },
    fail(reason) {
      for (const { reject } of waiting.splice(0)) reject(reason);
    },
  };
}

/**
 * Every micro-batch has tags of its own: messages of one tag are only kept in order when one thread sends them, and two
 * that are on their way at once are sent by two.
 */
const tagOf = (kind: 'values' | 'slopes', micro: number): number => 16 + 2 * micro + (kind === 'values' ? 0 : 1);

/** Two stages in two ranks: `isUpper` is the one in front, which gives values and takes slopes. */
export function rankLink(collective: Collective, isUpper: boolean, length: number, ring: number): Link {
  const memory = rings(length, ring);
  const other = collective.rank + (isUpper ? 1 : -1);
  const sending = new Map<string, Promise<void>>();
  // One message of a kind at a time: each that waits for its receiver holds one of few threads, and receiving needs one too.
  const last = { values: Promise.resolve(), slopes: Promise.resolve() };
  return {
    ...memory,
    async free(kind, micro) {
      await sending.get(`${kind} ${micro % ring}`);
    },
    give(kind, micro) {
      const sent = last[kind].then(() => collective.send(memory[kind][micro % ring]!, other, tagOf(kind, micro)));
      last[kind] = sent;
      sent.catch(() => undefined); // whoever next frees or closes is told
      sending.set(`${kind} ${micro % ring}`, sent);
    },
    take: (kind, micro) => collective.receive(memory[kind][micro % ring]!, other, tagOf(kind, micro)),
    async close() {
      await Promise.all(sending.values());
      sending.clear();
    },
    fail: () => undefined,
  };
}
