/** What a calibrator is: four verbs over the values of one tensor, seen batch by batch. */

import type { Range } from '../range.ts';

/** S is what it remembers; its size does not grow with the number of values seen, nor in the end with that of batches. */
export interface Calibrator<S = unknown> {
  /** With its settings, as a report shows it. */
  readonly name: string;
  /** Does it look at nothing but the least and the largest value of a batch? Then the engine finds them, and `see` gets few values with these ends. */
  readonly endsOnly?: boolean;
  /** Samples of a batch, where the range depends on it. Default: what is quick. */
  readonly batch?: number;
  /** The same for a model that takes fewer samples at a time than `batch`: what `see` is shown is then a part of a batch. */
  readonly inParts?: (samples: number) => Calibrator<S>;
  readonly start: () => S;
  /** Looks at the values of one batch. */
  readonly see: (seen: S, x: ArrayLike<number>) => void;
  /** Adds what another state has seen after this one: exactly as if one had seen it all. */
  readonly merge: (into: S, from: S) => void;
  /** The range to quantise. Throws nothing: a range of nothing is caught where a grid is made of it. */
  readonly range: (seen: S) => Range;
}
