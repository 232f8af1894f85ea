/** Two ways judged on the same samples: their difference, and how far chance of the samples alone would take it. */

export interface Paired {
  /** Mean over the samples of a − b. */
  readonly difference: number;
  /** Its standard error: the deviation of the differences over √n. */
  readonly error: number;
}

/** Of a score for each sample by the one way and by the other; at least two samples. */
export function paired(a: readonly number[], b: readonly number[]): Paired {
  const mean = a.reduce((sum, x, i) => sum + x - b[i]!, 0) / a.length;
  const squares = a.reduce((sum, x, i) => sum + (x - b[i]! - mean) ** 2, 0);
  return { difference: mean, error: Math.sqrt(squares / (a.length - 1) / a.length) };
}

/** Is the difference further from 0 than two standard errors? */
export const isBeyondChance = ({ difference, error }: Paired): boolean => Math.abs(difference) > 2 * error;
