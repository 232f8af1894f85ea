/** Inputs on which a row is tried: dimensions by slot (random values), or exact values where the op is choosy. */

import type { DType } from '../graph/dtype.ts';
import type { AttrValue } from '../graph/model.ts';
import { type Tensor, tensor } from '../graph/tensor.ts';

/** How one input of a sample is filled. */
export type Fill =
  /** Dimensions: distinct values away from 0, so that no kink or tie lies within a nudge. */
  | readonly number[]
  /** Random values within limits. */
  | { readonly dims: readonly number[]; readonly low: number; readonly high: number }
  /** Exactly this constant, an initialiser. */
  | Tensor;

export interface Sample {
  readonly attrs?: Readonly<Record<string, AttrValue>>;
  /** How many outputs to ask for. Default 1. */
  readonly outputs?: number;
  /** Multiply-accumulates counted by hand, where ones in and out do not add up to them. */
  readonly macs?: number;
  /** Relative tolerance of the slope test where float32 needs more than 1e-3, with the reason. */
  readonly tolerance?: { readonly relative: number; readonly because: string };
  readonly [slot: string]:
    | Fill
    | readonly Fill[]
    | Readonly<Record<string, AttrValue>>
    | Sample['tolerance']
    | number
    | undefined;
}

/** A constant int64 vector in a sample. */
export const intVector = (...values: readonly number[]): Tensor => tensor('int64', [values.length], values);
/** A constant of any dtype and shape in a sample. */
export const exactly = (dtype: DType, dims: readonly number[], values: readonly number[]): Tensor =>
  tensor(dtype, dims, values);
/** Random values in [low, high). */
export const between = (low: number, high: number, dims: readonly number[]) => ({ dims, low, high });
/** Random values in [0.3, 2): for logarithms, roots and divisors. */
export const positive = (...dims: readonly number[]) => between(0.3, 2, dims);
