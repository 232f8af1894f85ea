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

/** Says that an op has no slope in one of its forms. */
export const noSlope = (op: string, form: string): PareError =>
  new PareError('grad/missing', `${op} cannot be differentiated with ${form}.`, {
    where: op,
    expected: 'a form of the op whose gradient is written',
    got: form,
    hint: 'freeze what comes before this node, or train a part of the model that does not pass it',
  });

/** Says that an op is in a form so old that nothing of today means the same. */
export const tooOld = (op: string, until: number, why: string): PareError =>
  new PareError('op/old', `${op} in the form of opset ${until} cannot be brought up to date: ${why}.`, {
    where: op,
    expected: `opset ${until + 1} or later`,
    got: `opset ${until} or earlier`,
  });
