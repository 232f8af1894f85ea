/**
 * Only the largest numbers are sent; what is left behind is added to the next ones, so that nothing is lost, only late.
 *
 *   e := e + x;  S = places of the k largest |e|;  sum = Σ_r (e_r on S_r);  e := 0 on S
 *
 * Source   Aji and Heafield 2017, arXiv:1704.05021; the error's feedback: Stich et al. 2018, "Sparsified SGD with Memory", arXiv:1809.07599.
 */

import { PareError } from '../../base/error.ts';
import { showShare } from '../../base/unit.ts';
import type { Compression } from './compression.ts';

/** The places of the k largest magnitudes, to 1/128 of their size; where they are alike, the first ones. */
export function largest(values: Float32Array, k: number, into: Uint32Array = new Uint32Array(k)): Uint32Array {
  // Without its sign, a float32 orders like the integer of its bits; the upper 16 sort it into bins.
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bins = new Uint32Array(BINS);
  for (let i = 0; i < bits.length; i++) bins[(bits[i]! >>> 16) & (BINS - 1)]!++;
  let edge = BINS - 1;
  let above = 0;
  while (edge > 0 && above + bins[edge]! < k) above += bins[edge--]!;
  let atEdge = k - above;
  for (let i = 0, at = 0; i < bits.length && at < k; i++) {
    const bin = (bits[i]! >>> 16) & (BINS - 1);
    if (bin > edge || (bin === edge && atEdge-- > 0)) into[at++] = i;
  }
  return into;
}
const BINS = 2 ** 15;

/**
 * `share` of the numbers, each with its place: 8 bytes for every one that is sent.
 *
 * Throws   option/share when it is not above 0 and at most 1.
 */
export function topK(share = 0.01): Compression {
  if (!(share > 0 && share <= 1)) {
    throw new PareError('option/share', 'Top-k sends a share of the slopes above 0.', {
      expected: 'above 0 %, at most 100 %',
      got: `${share}`,
    });
  }
  return {
    name: `topk:${showShare(share, 3).replace(/\.?0* %/, '%')}`,
    async start(length, collective) {
      const { size, rank } = collective;
      const k = Math.max(1, Math.round(share * length));
      const residual = new Float32Array(length);
      // Each rank's message: k places, then k numbers.
      const words = new Float32Array(2 * k * size);
      const places = new Uint32Array(words.buffer);
      return {
        residual,
        bytes: 2 * 4 * k * (size - 1),
        async allReduce(values) {
          for (let i = 0; i < length; i++) residual[i] = residual[i]! + values[i]!;
          const own = 2 * k * rank;
          largest(residual, k, places.subarray(own, own + k));
          for (let j = own; j < own + k; j++) {
            words[j + k] = residual[places[j]!]!;
            residual[places[j]!] = 0;
          }
          await collective.allGather(words);
          values.fill(0);
          for (let from = 0; from < words.length; from += 2 * k)
            for (let j = from; j < from + k; j++) values[places[j]!] = values[places[j]!]! + words[j + k]!;
        },
        [Symbol.dispose]: () => undefined,
      };
    },
  };
}
