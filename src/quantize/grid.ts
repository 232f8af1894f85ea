/**
 * From a range of floats to the grid of an integer type.
 *
 *   x ≈ s · (q − z)        asymmetric:   s = (hi − lo) / 255, z = least + round(−lo / s)      least: 0 (u8), −128 (s8)
 *                          symmetric:    s = max|x| / limit,  z = 0, of u8 128
 *
 * Weights are symmetric s8; activations take the form that is asked for.
 */

import { PareError } from '../base/error.ts';
import { roundEven } from '../base/round.ts';
import { pick } from '../base/suggest.ts';
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

/** How the integers of an activation lie about 0. */
export interface GridForm {
  readonly about: string;
  readonly dtype: Grid['dtype'];
  readonly isSymmetric: boolean;
  /** Do the ends of the integers cut off what a clamp to this range cuts off, once its values were seen? Then it need not be computed. */
  readonly folds: (to: Range) => boolean;
}

/** The forms that activations can have. ReLU costs nothing in those that fold it. */
export const gridForms = {
  u8: { about: 'unsigned, from the least to the largest value', dtype: 'uint8', isSymmetric: false, folds: () => true },
  s8: { about: 'signed, from the least to the largest value', dtype: 'int8', isSymmetric: false, folds: () => true },
  'u8-symmetric': {
    about: 'unsigned, 128 stands for 0; 0 for values that are never below',
    dtype: 'uint8',
    isSymmetric: true,
    folds: ({ lo }) => lo >= 0,
  },
  's8-symmetric': {
    about: 'signed, 0 stands for 0, as TensorRT wants it',
    dtype: 'int8',
    isSymmetric: true,
    folds: () => false,
  },
} as const satisfies Record<string, GridForm>;
export type GridFormName = keyof typeof gridForms;

/** The least scale: its product with a weight's scale must stay a normal float32. */
const LEAST_SCALE = 2 ** -60;

/**
 * The grid of this form that covers a range. Zero is always on it (padding and ReLU need that), so that an asymmetric grid of a range above 0
 * starts at 0 and has its zero point at the bottom, where the engine folds ReLU into the layer before.
 *
 * Throws   quantize/range when the range holds no finite numbers; option/unknown.
 */
export function gridOf({ lo, hi }: Range, where = '', named: GridFormName = 'u8'): Grid {
  const { dtype, isSymmetric }: GridForm = pick(gridForms, named, 'form of activations');
  const [bottom] = LIMITS[dtype];
  const least = Math.min(0, lo);
  const most = Math.max(0, hi);
  if (!(Number.isFinite(least) && Number.isFinite(most)) || lo > hi) {
    throw new PareError('quantize/range', `The values of "${where}" have no finite range.`, {
      where,
      expected: 'finite numbers on the calibration data',
      got: lo > hi ? 'no values' : `${lo} to ${hi}`,
    });
  }
  if (isSymmetric && (dtype === 'int8' || least < 0)) {
    return { dtype, scale: symmetricScale(Math.max(-least, most), 127), zeroPoint: bottom + 128 };
  }
  if (most === least) return { dtype, scale: 1, zeroPoint: bottom };
  const scale = Math.fround(Math.max((most - least) / 255, LEAST_SCALE));
  return { dtype, scale, zeroPoint: bottom + Math.min(255, Math.max(0, roundEven(-least / scale))) };
}

/** The scale of a symmetric grid whose largest integer is `limit`; 1 where everything is 0. */
export const symmetricScale = (most: number, limit: number): number =>
  most === 0 ? 1 : Math.fround(Math.max(most / limit, LEAST_SCALE));
