/**
 * Ranks that learn by themselves and meet now and then, for links too slow for an all-reduce with every update.
 *
 *   a      the weights of the last meeting, equal on all ranks
 *   w_r    rank r's own, after H updates of its own
 *   d = mean_r (a − w_r);  a := outer optimiser's step along d;  w_r := a
 *
 * Plain averages: outer SGD with rate 1. DiLoCo: outer Nesterov momentum, and AdamW within.
 * Source   Stich 2019, "Local SGD Converges Fast and Communicates Little", arXiv:1805.09767; Douillard et al. 2023, DiLoCo, arXiv:2311.08105.
 */

import { PareError } from '../base/error.ts';
import { type Arena, mapSegments, type Optimizer, sgd } from '../train/index.ts';
import type { Collective } from './collective.ts';
import type { RunningCompression } from './compress/index.ts';
import { sumAlong } from './sum-along.ts';

/** What becomes of the ranks' differences when they meet, by name. */
export const outers = {
  average: (): Optimizer => sgd({ lr: 1 }),
  nesterov: (): Optimizer => sgd({ lr: 0.7, momentum: 0.9, nesterov: true }),
} as const;
export type OuterName = keyof typeof outers;

const [ANCHOR, DRIFT, OUTER] = ['anchor', 'drift', 'outer '];

/** State slots that an arena must have for meetings. */
export const meetingSlots = (outer: Optimizer): string[] => [ANCHOR, DRIFT, ...outer.slots.map((slot) => OUTER + slot)];

export interface Meetings {
  /** The ranks' weights become one; `along` is summed over them. */
  meet(along: readonly number[]): Promise<number[]>;
  /** Slot → parameter → numbers of the outer optimiser, alike on all ranks: memory, not copies. */
  readonly tensors: Readonly<Record<string, Record<string, Float32Array>>>;
  /** After weights and state were replaced. */
  restored(): void;
}

/**
 * Starts from the arena's weights, which are the same on all ranks.
 *
 * Throws   parallel/norm for an inner optimiser that keeps averages of the weights: each rank would have its own.
 */
export function startMeetings(
  arena: Arena,
  inner: Optimizer,
  outer: Optimizer,
  collective: Collective,
  compression: RunningCompression | undefined,
): Meetings {
  if (inner.links.some(({ evaluate }) => evaluate)) {
    throw new PareError(
      'parallel/norm',
      'Averages of the weights would differ between ranks that learn by themselves.',
      {
        where: inner.name,
        hint: 'leave the averages out: the meetings are one',
      },
    );
  }
  const names = new Map([['w', ANCHOR], ['g', DRIFT], ...outer.slots.map((slot) => [slot, OUTER + slot] as const)]);
  const nameOf = (slot: string): string => names.get(slot) ?? slot;
  const running = outer.start({
    ...arena,
    at: (slot) => arena.at(nameOf(slot)),
    view: (slot, parameter) => arena.view(nameOf(slot), parameter),
    segment: (slot) => arena.segment(nameOf(slot)),
  });
  const anchor = (): void => arena.segment(ANCHOR).set(arena.segment('w'));
  const measure = mapSegments(arena, (e) => ({
    [DRIFT]: e.mul(1 / collective.size, e.sub(e.slot(ANCHOR), e.slot('w'))),
  }));
  const sum = sumAlong(arena, DRIFT, collective, compression);
  const clock = new Float32Array(1);
  anchor();
  const slots = Object.entries(running.state().tensors).map(([slot, own]) => [OUTER + slot, own] as const);
  return {
    tensors: { ...Object.fromEntries(slots), [`${OUTER}meetings`]: { count: clock } },
    async meet(along) {
      measure();
      const told = await sum(along);
      await running.step();
      clock[0] = running.t;
      arena.segment('w').set(arena.segment(ANCHOR));
      return told;
    },
    restored() {
      anchor();
      running.restore({ ...running.state(), t: clock[0]! });
    },
  };
}
