/**
 * The parts of the data, each with one use, never mixed:
 *
 *   learn        weights and ranges come from these
 *   search       decides what is tried next
 *   selection    decides between the finalists
 *   evaluation   says at the end what was lost; nothing was decided on it
 */

import { type Dataset, type Splits, split } from '../data/index.ts';

export interface Parts {
  readonly learn: Dataset;
  readonly search: Dataset;
  readonly selection: Dataset;
  readonly evaluation: Dataset;
}

/** Fewer samples than this cannot be divided. */
export const FEWEST = 12;
/** More than this in a part that only judges would cost time and tell little. */
const MOST_JUDGED = 4000;

/** A test set from this size up is large enough to be divided, too. */
const DIVISIBLE = 1000;

/**
 * Shares of what is not given apart, by the number of samples up to which they hold: few must all help to judge, many may mostly be learnt
 * from. Of very few, nothing but ranges can be learnt, and the claim needs them most: of 30 samples one is more than 3 %.
 */
const SHARES = [
  [200, { search: 0.15, selection: 0.15, evaluation: 0.5 }],
  [1000, { search: 0.2, selection: 0.2, evaluation: 0.3 }],
  [8000, { search: 0.15, selection: 0.1, evaluation: 0.25 }],
  [Number.POSITIVE_INFINITY, { search: 0.1, selection: 0.1, evaluation: 0.15 }],
] as const;

/**
 * Divides the data; the same seed gives the same parts. A validation set becomes search and selection, a test set the
 * evaluation; what is missing is held back from `train`.
 *
 * Networks have often learnt `train` by heart, and then lose more on what is held back from it than on anything new. So
 * without a validation set, a large test set gives a half of its samples to search and selection.
 *
 * Returns undefined when there are fewer than 12 samples to divide.
 */
export function partsOf({ train, validation, test }: Splits, seed = 0): Parts | undefined {
  if (train.size < FEWEST) return undefined;
  const [, shares] = SHARES.find(([most]) => train.size < most)!;
  const ended = test ? { train, test } : split(train, { test: shares.evaluation, seed });
  const judged = validation && validation.size >= 4 ? validation : undefined;
  if (judged) {
    const halves = split(judged, { test: 0.5, seed });
    return { learn: ended.train, search: halves.train, selection: halves.test!, evaluation: ended.test! };
  }
  if (test && test.size >= DIVISIBLE) {
    const share = Math.min(0.25, MOST_JUDGED / test.size);
    const { train: rest, validation: search, test: selection } = split(test, { validation: share, test: share, seed });
    const evaluation = { ...rest, name: `${test.name} (evaluation)` };
    return { learn: train, search: search!, selection: selection!, evaluation };
  }
  const capped = (share: number): number => Math.min(share, MOST_JUDGED / train.size) * (train.size / ended.train.size);
  const {
    train: learn,
    validation: search,
    test: selection,
  } = split(ended.train, {
    validation: capped(shares.search),
    test: capped(shares.selection),
    seed: seed + 1,
  });
  return { learn, search: search!, selection: selection!, evaluation: ended.test! };
}
