/** Joins whatever group this process was started in: the launcher's, or none. */

import { alone } from './alone.ts';
import type { Collective } from './collective.ts';
import { isLaunched } from './launched.ts';
import { type MpiOptions, openMpi } from './mpi.ts';

/**
 * The launcher's group, or a group of one where there is no launcher.
 *
 * Throws   parallel/no-mpi, parallel/mpi as `openMpi`.
 */
export const join = async (options: MpiOptions = {}): Promise<Collective> =>
  isLaunched() ? openMpi(options) : alone();

/**
 * Runs `body` as one rank of the group, and leaves it in order. When `body` fails, all ranks are stopped: the others would
 * wait for ever for this one. `onError` is told first.
 */
export async function asRank<T>(
  body: (collective: Collective) => Promise<T>,
  { onError, ...options }: MpiOptions & { onError?: (error: unknown, collective: Collective) => void } = {},
): Promise<T> {
  const collective = await join(options);
  let result: T;
  try {
    result = await body(collective);
  } catch (error) {
    onError?.(error, collective);
    if (collective.size > 1) collective.abort(1);
    throw error;
  }
  await collective.end();
  return result;
}
