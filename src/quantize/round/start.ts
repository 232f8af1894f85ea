/** Scales to start from: of several shares of the largest weight, the one with the least squared error. */

import type { WriteOptions } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';
import { along, dequantizeWeight, quantizeWeight, weightScales } from '../weight.ts';
import type { Layer } from './layer.ts';

/** Shares of the largest weight that become the largest integer. */
const SHARES: readonly number[] = Array.from({ length: 20 }, (_, i) => 1 - 0.035 * i);

/** Nearest integers on the scales that lose least, channel by channel (or all with one). */
export async function startingGrid(
  { w, dims, role: { axis }, bits, limit }: Pick<Layer, 'w' | 'dims' | 'role' | 'bits' | 'limit'>,
  { perChannel = true }: Pick<WriteOptions, 'perChannel'>,
): Promise<Weights> {
  const lie = along(dims, axis);
  const full = weightScales(w, lie, limit, perChannel);
  if (bits >= 7) return { scales: full, codes: quantizeWeight(w, full, lie, limit), bits };
  const scales = await bestScales(full, perChannel, (tried) => {
    const codes = quantizeWeight(w, tried, lie, limit);
    return squaredErrors(w, dequantizeWeight(codes, tried, lie), lie.channels, lie.inner);
  });
  return { scales, codes: quantizeWeight(w, scales, lie, limit), bits };
}

/** The shares of `full` with the least error, by channel or (when not per channel) in sum. */
export async function bestScales(
  full: Float32Array,
  perChannel: boolean,
  errorsOf: (scales: Float32Array) => ArrayLike<number> | Promise<ArrayLike<number>>,
): Promise<Float32Array> {
  const best = full.slice();
  const least = new Float64Array(full.length).fill(Number.POSITIVE_INFINITY);
  for (const share of SHARES) {
    const tried = full.map((scale) => Math.fround(scale * share));
    const errors = Float64Array.from(await errorsOf(tried));
    if (!perChannel) errors.fill(errors.reduce((a, b) => a + b, 0));
    errors.forEach((error, c) => {
      if (error < least[c]!) [least[c], best[c]] = [error, tried[c]!];
    });
  }
  return best;
}

function squaredErrors(a: Float32Array, b: Float32Array, channels: number, inner: number): Float64Array {
  const sums = new Float64Array(channels);
  for (let i = 0; i < a.length; i++) sums[Math.floor(i / inner) % channels]! += (a[i]! - b[i]!) ** 2;
  return sums;
}
