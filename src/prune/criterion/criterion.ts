/** What a pruning criterion is: a score for every unit of one weight, seen along the axis that would be cut. */

import type { Random } from '../../base/random.ts';
import type { LayerHessian } from '../hessian.ts';
import type { Normalization } from '../normalize.ts';

/** What must be known of a weight before it can be scored. */
export type Need =
  | 'weight'
  /** Mean slope of the loss over all samples. */
  | 'gradient'
  /** Mean over samples of the squared slope of each single sample's loss. */
  | 'square'
  /** Mean over batches of the squared first-order change of the loss without the unit. */
  | 'change'
  /** What the weight is multiplied with. */
  | 'activation'
  /** Second moments around linear layers, and how much the answers mind their errors. */
  | 'hessian';

/** One weight, seen along the axis that would be cut. */
export interface Slice {
  readonly name: string;
  readonly axis: number;
  readonly dims: readonly number[];
  /** 'out': the axis makes the channel; 'in': it reads the channel. */
  readonly role: 'out' | 'in';
  /** The slot of the op that the weight stands in, such as W or scale. */
  readonly slot: string;
  /** Number of units. */
  readonly units: number;
  /** All elements, row by row. */
  readonly weight: ArrayLike<number>;
  /** Like `weight`, where `needs` names it. */
  readonly gradient: ArrayLike<number>;
  readonly square: ArrayLike<number>;
  /** Per unit, where `needs` names it: the mean over batches of (Σ w·g)². */
  readonly change: ArrayLike<number>;
  /** Per unit, of what is multiplied with an 'in' axis: mean |x|, and √(mean x²). Empty for an 'out' axis. */
  readonly activation: { readonly mean: ArrayLike<number>; readonly rms: ArrayLike<number> };
  /** Where `needs` names it, and the weight is that of a linear layer which reads or makes the channels. */
  readonly hessian?: LayerHessian | undefined;
  /** The places of each unit along the axis. */
  readonly places: (unit: number) => Int32Array;
  /** For each unit the columns of the linear layer's sums that read it; undefined where the axis holds none. */
  readonly columns?: readonly Int32Array[] | undefined;
  /** For each unit the sum of f over the numbers of its elements. */
  readonly sum: (f: (i: number) => number) => Float64Array;
  /** The numbers of a unit's elements, in an order that is the same for all units. */
  readonly elements: (unit: number) => Int32Array;
  /** A stream of its own. */
  readonly random: Random;
}

export interface Criterion {
  readonly name: string;
  /** One line for a menu. */
  readonly about: string;
  readonly needs: readonly Need[];
  /** Slices that it can score; in a group with none, the L2 norm stands in. Default: all. */
  readonly accepts?: (slice: Pick<Slice, 'role' | 'slot' | 'dims'>) => boolean;
  /**
   * Is the score a change of the loss? Then members add up, groups compare as they are, and units that cost much of what
   * the budget counts go before units that cost little. Default false.
   */
  readonly isChangeOfLoss?: boolean;
  /** How scores of different groups are made comparable, unless the caller says. Default 'mean', and 'none' for changes of the loss. */
  readonly normalization?: Normalization;
  /** One score per unit; the lowest go first. */
  readonly score: (slice: Slice) => Float64Array;
  /**
   * For criteria that must see all members of a group at once: takes the place of `score` and of combining. Undefined where
   * it finds nothing to go by; the L2 norm stands in.
   */
  readonly scoreTogether?: (slices: readonly Slice[]) => Float64Array | undefined;
}
