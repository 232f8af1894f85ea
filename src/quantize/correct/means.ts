/**
 * Takes back what rounding the weights adds to a layer's mean.
 *
 *   E[ŷ] − E[y] = (Ŵ − W) · E[x]        b ← b − (Ŵ − W) · E[x],  E[x] by input channel, over samples and places
 *
 * Needs one pass over the samples with the float model. Borders, where padding takes the place of x, are not told apart.
 * Source   Nagel et al. 2019, arXiv:1906.04721, section 4.2 (empirical form, on the float model's inputs).
 */

import { sizeOf } from '../../graph/tensor.ts';
import type { Plan } from '../plan.ts';

/** What the layers of a plan read, and whether its channels lie on the last axis. */
export function layerInputs({ kernels }: Plan): Map<string, boolean> {
  const inputs = new Map<string, boolean>();
  for (const [node, role] of kernels) {
    if (role.kind === 'weighted') inputs.set(node.inputs[role.input]!, role.product);
  }
  return inputs;
}

/** Sums of a value by channel, batch by batch. */
export interface ChannelSums {
  sums: Float64Array;
  /** Values of each channel seen. */
  count: number;
}

/** Adds a batch; channels lie on axis 1 of maps [N, C, …], on the last axis of everything else. */
export function addChannels(
  into: ChannelSums | undefined,
  x: Float32Array,
  dims: readonly number[],
  last: boolean,
): ChannelSums {
  const axis = last ? dims.length - 1 : 1;
  const channels = dims[axis]!;
  const inner = sizeOf(dims.slice(axis + 1));
  const state = into ?? { sums: new Float64Array(channels), count: 0 };
  const { sums } = state;
  for (let at = 0; at < x.length; ) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (const end = at + inner; at < end; at++) sum += x[at]!;
      sums[c]! += sum;
    }
  }
  state.count += x.length / channels;
  return state;
}

export const meansOf = ({ sums, count }: ChannelSums): Float64Array => sums.map((sum) => sum / count);

/**
 * (Ŵ − W) · E[x] of each output channel.
 *
 * Shapes   difference = Ŵ − W as `dims`, output channels on `axis`; means one per input channel. A grouped convolution's
 *          weight [O, C / groups, …] reads the channels of its group.
 */
export function meanShift(
  difference: Float32Array,
  dims: readonly number[],
  axis: number,
  means: ArrayLike<number>,
): Float64Array {
  const outputs = dims[axis]!;
  const lane = axis === 0 ? 1 : 0;
  const own = dims[lane]!;
  const groups = means.length / own;
  const perGroup = outputs / groups;
  const [outer, inner] = [axis, lane].map((i) => sizeOf(dims.slice(i + 1))) as [number, number];
  const places = difference.length / outputs / own;
  const shift = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const first = Math.floor(o / perGroup) * own;
    let total = 0;
    for (let c = 0; c < own; c++) {
      const base = o * outer + c * inner;
      let sum = 0;
      // Taps, where there are any, lie innermost.
      for (let p = 0; p < places; p++) sum += difference[base + p]!;
      total += sum * means[first + c]!;
    }
    shift[o] = total;
  }
  return shift;
}
