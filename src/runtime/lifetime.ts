/** Native memory that must not go while a run uses it: dispose now, release when the last run has left. */

import { PareError } from '../base/error.ts';

export interface Lifetime {
  /** Begins a use. Throws engine/disposed after `dispose`. */
  enter(): void;
  /** Ends a use; the last one out releases what was disposed meanwhile. */
  leave(): void;
  /** Forbids further uses, and releases as soon as there are none. Twice is once. */
  dispose(): void;
  readonly disposed: boolean;
}

/** The lifetime of one `what` ("session", "binding"); `release` is called exactly once. */
export function lifetime(what: string, release: () => void): Lifetime {
  let users = 0;
  let disposed = false;

  return {
    enter() {
      if (disposed) throw new PareError('engine/disposed', `This ${what} was disposed and cannot run any more.`);
      users += 1;
    },
    leave() {
      users -= 1;
      if (disposed && users === 0) release();
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      if (users === 0) release();
    },
    get disposed() {
      return disposed;
    },
  };
}
