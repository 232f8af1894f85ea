/** A factorisation: how a layer is cut into a chain of cheaper ones, and what each rank keeps of it. */

import type { Matrix } from '../../linear/matrix.ts';
import type { Layer, Part } from './layer.ts';

/** What was seen of a layer's outputs on samples. */
export interface Moments {
  /** Covariance of the output channels [out, out]. */
  readonly covariance: Matrix;
  /** Mean of the output channels. */
  readonly mean: Float64Array;
}

/** Squared singular values of one unfolding, largest first, and the unfolding's dimensions. */
export interface Spectrum {
  readonly energy: Float64Array;
  /** Of the matrix behind it; absent where the numbers are not those of one matrix. */
  readonly matrix?: readonly [rows: number, columns: number];
}

export interface Factor extends Part {
  readonly W: Float64Array;
}

export interface Chain {
  readonly factors: readonly Factor[];
  /** Bias of the last factor, when there is one. */
  readonly bias: Float64Array | undefined;
  /** √(Σ difference² / Σ W²), where the spectra do not tell it. */
  readonly error?: number;
}

/** A layer opened for cutting: one spectrum per rank that is to be chosen. */
export interface Opened {
  readonly spectra: readonly Spectrum[];
  /** The chain's shapes at these ranks. */
  readonly parts: (ranks: readonly number[]) => readonly Part[];
  /** The chain's weights at these ranks. */
  readonly cut: (ranks: readonly number[]) => Chain;
}

export interface Scheme {
  readonly name: string;
  /** Are the spectra only a bound, so that this scheme cannot be compared with others by them? Default false. */
  readonly isBound?: boolean;
  /** Opens the layer, or says why this scheme does not suit it. */
  readonly open: (layer: Layer, moments?: Moments) => Opened | string;
}
