/** The end of a rank whose launcher has gone: at once, and with nothing left behind. */

import { readFileSync, rmSync } from 'node:fs';

/** Files of shared memory that this process has mapped. */
export function sharedMemory(): string[] {
  try {
    return [...new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/dev\/shm\/\S+/g))];
  } catch {
    return []; // no /proc: the system has no such files either
  }
}

/** Removes the shared memory that this process has mapped, then kills it: exit handlers would wait for ranks that are no more. */
export function endAlone(): never {
  for (const file of sharedMemory()) rmSync(file, { force: true });
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}
