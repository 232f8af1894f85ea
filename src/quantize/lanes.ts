/**
 * Input channels in fours: the engine's direct convolution kernel reads four channels at a time, and where they do not
 * come in fours it gathers patches byte by byte instead, which takes about twice as long (images: three channels).
 *
 *   x [N, C, …] padded by its zero point to [N, C', …]      w [O, C, …] padded by 0 to [O, C', …]      C' = ⌈C / 4⌉ · 4
 */

import type { Dim } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';

const LANES = 4;
/** Above this, patches are long enough to be copied well. */
const FEW = 64;

/** Channels to add to a convolution's input; 0 when they come in fours, or are dealt to groups. */
export function missingLanes(weight: readonly number[], axis: number, input: readonly Dim[] | undefined): number {
  const channels = weight[1]!;
  const isWhole = axis === 0 && weight.length > 2 && input?.[1] === channels;
  return isWhole && channels < FEW ? (LANES - (channels % LANES)) % LANES : 0;
}

/** Codes [O, C, …] with `more` channels of zeros behind each output's own. */
export function widenCodes(codes: Int8Array, dims: readonly number[], more: number): Int8Array {
  const [O, C] = [dims[0]!, dims[1]!];
  const places = sizeOf(dims.slice(2));
  const wide = new Int8Array(O * (C + more) * places);
  for (let o = 0; o < O; o++) {
    wide.set(codes.subarray(o * C * places, (o + 1) * C * places), o * (C + more) * places);
  }
  return wide;
}
