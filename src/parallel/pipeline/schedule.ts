/** In which order a stage works on the micro-batches of a step. */

export interface Work {
  readonly kind: 'forward' | 'backward';
  readonly micro: number;
}

export interface Schedule {
  /** What a stage does, in turn. The last stage's forward is part of its backward. */
  readonly order: (stage: number, stages: number, micro: number) => Work[];
  /** How many micro-batches a stage has begun and not finished, at most: what must be kept for the way back. */
  readonly inFlight: (stage: number, stages: number, micro: number) => number;
}

const forwards = (stage: number, stages: number): boolean => stage < stages - 1;

/**
 * All micro-batches forward, then all backward.
 *
 * Source   Huang et al. 2019, GPipe, arXiv:1811.06965.
 */
const gpipe: Schedule = {
  order: (stage, stages, micro) => {
    const all = Array.from({ length: micro }, (_, i) => i);
    const there = forwards(stage, stages) ? all.map((i): Work => ({ kind: 'forward', micro: i })) : [];
    return [...there, ...all.map((i): Work => ({ kind: 'backward', micro: i }))];
  },
  inFlight: (stage, stages, micro) => (forwards(stage, stages) ? micro : 1),
};

/**
 * One forward, one backward: as soon as the first micro-batch comes back, every forward is followed by a backward, so a
 * stage keeps at most `stages − stage` micro-batches. As fast as GPipe, in less memory.
 *
 * Source   Narayanan et al. 2019, PipeDream (SOSP), flushed at each step as in Megatron-LM (arXiv:2104.04473).
 */
const oneForwardOneBackward: Schedule = {
  order: (stage, stages, micro) => {
    const ahead = oneForwardOneBackward.inFlight(stage, stages, micro) - 1;
    const order: Work[] = [];
    for (let i = 0; i < micro + ahead; i++) {
      if (i < micro && forwards(stage, stages)) order.push({ kind: 'forward', micro: i });
      if (i >= ahead) order.push({ kind: 'backward', micro: i - ahead });
    }
    return order;
  },
  inFlight: (stage, stages, micro) => Math.min(micro, stages - stage),
};

export const schedules = { '1f1b': oneForwardOneBackward, gpipe } as const satisfies Readonly<Record<string, Schedule>>;
export type ScheduleName = keyof typeof schedules;
