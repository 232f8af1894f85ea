/** Who makes the updates of a trainer: works out the slopes of a batch, then moves the weights. */

import type { Binding, Lab } from '../runtime/index.ts';
import type { Arena } from './optim/arena.ts';
import type { RunningOptimizer } from './optim/running.ts';
import { mapSegments } from './optim/segment.ts';
import { bindStep, type Program, type StepGraph } from './program.ts';

/** One run of the step's graph. */
export interface MoverRun {
  /** Which set of batch memory it reads. */
  readonly which: 0 | 1;
  /** Number of the run within its update, from 0. */
  readonly micro: number;
  /** The update follows it. */
  readonly isLast: boolean;
  /** Number of the run since the beginning, from 1: what random masks depend on. */
  readonly number: number;
  /** Learning rate in place of the optimiser's own. */
  readonly lr?: number | undefined;
}

export interface Mover extends Disposable, Pick<Program, 'feeds' | 'held'> {
  /** Before a stretch of updates: takes up what was written into memory since the last one. */
  begin(): Promise<void>;
  /** Works a batch out and gives its loss, moving nothing. `meanwhile` may happen while the engine works. */
  run(at: MoverRun, meanwhile: () => void): Promise<number>;
  /** Takes the last run's slopes: adds them up, or makes the move. */
  move(at: MoverRun): Promise<void>;
  /** Brings weights and statistics, and the optimiser's state where `all` says so, into memory. */
  rest(all: boolean): Promise<void>;
}

export interface MoverOptions {
  readonly step: StepGraph;
  readonly arena: Arena;
  /** Runs whose mean gradient makes one update. */
  readonly accumulate: number;
  /** Starts the optimiser on the arena. */
  readonly start: (onRestore?: () => void) => RunningOptimizer;
}

/** The accumulated gradient's segment. */
export const SUM = 'accumulated';
/** Runs shorter than this are made on JavaScript's thread: handing them to another costs more than it saves. */
const SHORT_MS = 2;

/** Weights, slopes and state in the arena: the engine writes slopes there, kernels update in place. */
export async function openInMemory(
  { step, arena, accumulate, start }: MoverOptions,
  lab: Lab,
): Promise<{ mover: Mover; running: RunningOptimizer }> {
  const program = await bindStep(step, arena, lab);
  const running = start();
  const gather = accumulate > 1 ? gathering(arena, accumulate) : undefined;
  const turn = turns();
  const nothing = async (): Promise<void> => {};
  const mover: Mover = {
    feeds: program.feeds,
    held: program.held,
    begin: nothing,
    rest: nothing,
    async run({ which, number }, meanwhile) {
      program.setStep(number);
      await turn(program.runs[which], meanwhile);
      return program.loss();
    },
    async move({ which, micro, isLast, lr }) {
      if (!gather && running.probe()) await turn(program.runs[which]);
      program.flow();
      gather?.(micro);
      if (isLast) await running.step(lr === undefined ? {} : { lr });
    },
    [Symbol.dispose]: () => program[Symbol.dispose](),
  };
  return { mover, running };
}

/** Adds up the gradients of an update's runs; the last call leaves their mean in `g`. */
function gathering(arena: Arena, runs: number): (micro: number) => void {
  const first = mapSegments(arena, (e) => ({ [SUM]: e.mul(1 / runs, e.slot('g')) }));
  const next = mapSegments(arena, (e) => ({ [SUM]: e.add(e.slot(SUM), e.mul(1 / runs, e.slot('g'))) }));
  const last = mapSegments(arena, (e) => ({ g: e.add(e.slot(SUM), e.mul(1 / runs, e.slot('g'))) }));
  return (micro) => (micro === 0 ? first : micro < runs - 1 ? next : last)();
}

/** Makes runs; whatever happens `meanwhile` does so while the engine works, if the last run was long enough to be worth it. */
export function turns(): (binding: Binding, meanwhile?: () => void) => Promise<void> {
  let isShort = false;
  return async (binding, meanwhile) => {
    const before = performance.now();
    if (isShort && binding.runSync) {
      binding.runSync();
      meanwhile?.();
    } else {
      const run = binding.run();
      meanwhile?.();
      await run;
    }
    isShort = performance.now() - before < SHORT_MS;
  };
}
