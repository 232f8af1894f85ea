/** Stopping cleanly between two steps of long work. */

import { PareError } from '../base/error.ts';

/** Throws work/aborted once the signal has fired. */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new PareError('work/aborted', 'The work was stopped.', { cause: signal.reason });
}
