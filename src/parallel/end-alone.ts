/** The end of a rank whose launcher has gone: at once, and with nothing left behind. */

import { readFileSync, rmSync } from 'node:fs';

/** Removes the shared memory that this process has mapped, then kills it: exit handlers would wait for ranks that are no more. */
export function endAlone(): never {
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8');
    for (const file of new Set(maps.match(/\/dev\/shm\/\S+/g))) rmSync(file, { force: true });
  } catch {
    // no /proc: the system has no such files either
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}
