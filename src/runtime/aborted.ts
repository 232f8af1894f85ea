/** Stopping on request: between two steps of long work, or in the middle of a run. */

import { PareError } from '../base/error.ts';

/** What everything throws that was stopped: work/aborted, the signal's reason as its cause. */
export const aborted = (signal: AbortSignal): PareError =>
  new PareError('work/aborted', 'The work was stopped.', { cause: signal.reason });

/** Throws work/aborted once the signal has fired. */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}
