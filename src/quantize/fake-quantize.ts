/** Rounding to an integer grid and coming back to floats: what quantisation does to numbers. */

import { PareError } from '../base/error.ts';
import { roundEven } from './grid.ts';

export interface FakeGrid {
  /** x per step. */
  readonly scale: number;
  /** In steps. Default 0. */
  readonly zeroPoint?: number;
  /** Including the sign. Default 8. */
  readonly bits?: number;
  /** A sign bit, or none. Default true. */
  readonly signed?: boolean;
}

/**
 * Rounds x to the grid that an integer tensor can hold, and comes back to floats.
 *
 *   y = (clamp(round(x / s) + z, lo, hi) − z) · s        lo, hi = the limits of a `bits`-bit integer
 *
 * Shapes   x any; s and z are scalars; y like x, or `out` when given (which may be x).
 * Units    s is x per step; z counts steps; `bits` includes the sign.
 * Slope    1 inside the range, 0 outside it: the straight-through estimate.
 * Rounding halves go to the even neighbour, as ONNX QuantizeLinear asks; Math.round would send them up.
 *          x / s is a float32 division, as the engine's.
 * Throws   quantize/scale when s is not above 0.
 * Source   Jacob et al. 2018, arXiv:1712.05877; ONNX operator QuantizeLinear, version 21.
 *
 * @example
 * fakeQuantize(Float32Array.of(0.04, 0.26, 99), { scale: 0.1 })     // 0, 0.3, 12.7
 */
export function fakeQuantize(
  x: Float32Array,
  { scale, zeroPoint = 0, bits = 8, signed = true }: FakeGrid,
  out = new Float32Array(x.length),
): Float32Array {
  if (!(scale > 0)) throw new PareError('quantize/scale', 'A scale must be above 0.', { got: `${scale}` });
  const lo = signed ? -(2 ** (bits - 1)) : 0;
  const hi = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const s = Math.fround(scale);
  for (let i = 0; i < x.length; i++) {
    const steps = roundEven(Math.fround(x[i]! / s)) + zeroPoint;
    out[i] = (Math.min(hi, Math.max(lo, steps)) - zeroPoint) * s;
  }
  return out;
}
