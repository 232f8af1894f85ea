/** How one sample's logits lie in a file: whole, at half precision, or the largest few with the mass of the rest. */

import { PareError } from '../base/error.ts';
import { fromHalf, toHalf } from '../graph/tensor.ts';

/** `{ top: k }` keeps the k largest logits at half precision; the others share evenly what probability is left. */
export type Keep = 'float32' | 'float16' | { readonly top: number };

export interface Packing {
  /** Bytes of one sample. */
  readonly rowBytes: number;
  /** Writes `values` at byte `at` of `into`. */
  readonly pack: (values: Float32Array, into: DataView, at: number) => void;
  readonly unpack: (from: DataView, at: number, into: Float32Array) => void;
}

/**
 * The packing of `width` logits.
 *
 *   top k   k × (class uint16, logit float16), then r = log Σ_rest e^x as float16; a logit of the rest comes back as
 *           r − log(width − k): the k probabilities and the rest's mass at temperature 1 are kept
 *
 * Throws   option/top when k is not between 1 and the number of classes, or there are more than 65536 classes.
 */
export function packing(keep: Keep, width: number): Packing {
  if (keep === 'float32') {
    return {
      rowBytes: 4 * width,
      pack: (values, into, at) => {
        for (let i = 0; i < width; i++) into.setFloat32(at + 4 * i, values[i]!, true);
      },
      unpack: (from, at, into) => {
        for (let i = 0; i < width; i++) into[i] = from.getFloat32(at + 4 * i, true);
      },
    };
  }
  if (keep === 'float16') {
    return {
      rowBytes: 2 * width,
      pack: (values, into, at) => {
        for (let i = 0; i < width; i++) into.setUint16(at + 2 * i, toHalf(values[i]!), true);
      },
      unpack: (from, at, into) => {
        for (let i = 0; i < width; i++) into[i] = fromHalf(from.getUint16(at + 2 * i, true));
      },
    };
  }
  const { top } = keep;
  if (!(Number.isInteger(top) && top >= 1 && top <= width && width <= 65536)) {
    throw new PareError('option/top', `Of ${width} outputs, ${top} cannot be kept.`, {
      expected: `1 to ${Math.min(width, 65536)}`,
      got: `${top}`,
    });
  }
  return {
    rowBytes: 4 * top + 2,
    pack: (values, into, at) => {
      const order = Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
      for (let i = 0; i < top; i++) {
        into.setUint16(at + 4 * i, order[i]!, true);
        into.setUint16(at + 4 * i + 2, toHalf(values[order[i]!]!), true);
      }
      into.setUint16(at + 4 * top, toHalf(logSum(order.slice(top).map((i) => values[i]!))), true);
    },
    unpack: (from, at, into) => {
      into.fill(fromHalf(from.getUint16(at + 4 * top, true)) - Math.log(Math.max(1, width - top)));
      for (let i = 0; i < top; i++)
        into[from.getUint16(at + 4 * i, true)] = fromHalf(from.getUint16(at + 4 * i + 2, true));
    },
  };
}

/** log Σ e^x; the least float16 of nothing. */
function logSum(values: readonly number[]): number {
  if (values.length === 0) return -65504;
  const most = values.reduce((a, b) => Math.max(a, b));
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
