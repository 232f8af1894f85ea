/** Errors about shapes that do not fit, in the user's own names. */

import { PareError } from '../base/error.ts';
import { showDims } from '../graph/dim.ts';
import type { Value } from './op.ts';

/** A shape error that names every value and its dimensions. */
export function misfit(op: string, what: string, values: Readonly<Record<string, Value | undefined>>): PareError {
  const known = Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return new PareError('shape/mismatch', `${op}: ${what}.`, {
    where: known.map(([, { name }]) => name).join(', '),
    got: known.map(([slot, { dims }]) => `${slot} ${showDims(dims)}`).join(', '),
  });
}
