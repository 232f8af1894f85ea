/** What a compression did: each place, what it cost before and after, and what stayed and why. */

import { costOf } from '../cost/cost.ts';
import type { Model } from '../graph/model.ts';

export interface Size {
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  readonly parameters: number;
  /** Bytes of all weights and constants. */
  readonly bytes: number;
}

export interface Rewrite {
  /** The layer, or "from → to" for a run of layers. */
  readonly place: string;
  /** What was done, in a few words. */
  readonly what: string;
  readonly macsBefore: number;
  readonly macsAfter: number;
  /** √(Σ difference² / Σ original²): of the outputs where samples were given, else of the weights. */
  readonly error: number;
  /** Time after / time before, where it was measured. */
  readonly latencyRatio?: number;
}

export interface CompressReport {
  readonly before: Size;
  readonly after: Size;
  readonly rewrites: readonly Rewrite[];
  readonly kept: readonly { readonly place: string; readonly why: string }[];
}

/** The size of a model of one sample; symbols other than the batch count 1. */
export function sizeOfModel(model: Model): Size {
  const { macs, parameters, weightBytes } = costOf(model);
  return { macs, parameters, bytes: weightBytes };
}
