/**
 * From a range of floats to the grid of an integer type.
 *
 *   x ≈ s · (q − z)        asymmetric (activations, u8): s = (hi − lo) / 255, z = round(−lo / s)
 *                          symmetric (weights, s8):      s = max|x| / limit,  z = 0
 */

import { PareError } from '../base/error.ts';
import { roundEven } from '../base/round.ts';
import type { Range } from './range.ts';

export { roundEven };

/** The grid of one tensor. */
export interface Grid {
  readonly dtype: 'uint8' | 'int8';
  /** x per step; a float32 number. */
  readonly scale: number;
  /** The integer that stands for 0. */
  readonly zeroPoint: number;
}

/** The integers that a dtype holds. */
export const LIMITS = { uint8: [0, 255], int8: [-128, 127] } as const;

/** The least scale: its product with a weight's scale must stay a normal float32. */
const LEAST_SCALE = 2 ** -60;

/**
 * The u8 grid that covers a range. Zero is always on it (padding and ReLU need that), so that a range above 0 starts at
 * 0 and has its zero point at the bottom, where the engine folds ReLU into the layer before.
 *
 * Throws   quantize/range when the range holds no finite numbers.
 */
export function gridOf({ lo, hi }: Range, where = ''): Grid {
  const least = Math.min(0, lo);
  const most = Math.max(0, hi);
  if (!(Number.isFinite(least) && Number.isFinite(most)) || lo > hi) {
    throw new PareError('quantize/range', `The values of "${where}" have no finite range.`, {
      where,
      expected: 'finite numbers on the calibration data',
      got: lo > hi ? 'no values' : `${lo} to ${hi}`,
    });
  }
  if (most === least) return { dtype: 'uint8', scale: 1, zeroPoint: 0 };
  const scale = Math.fround(Math.max((most - least) / 255, LEAST_SCALE));
  return { dtype: 'uint8', scale, zeroPoint: Math.min(255, Math.max(0, roundEven(-least / scale))) };
}

/** The scale of a symmetric grid whose largest integer is `limit`; 1 where everything is 0. */
export const symmetricScale = (most: number, limit: number): number =>
  most === 0 ? 1 : Math.fround(Math.max(most / limit, LEAST_SCALE));
