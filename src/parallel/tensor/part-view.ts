/** The part of a weight that one rank holds, read from the whole when somebody asks, without the whole in memory. */

import { factsOf } from '../../graph/dtype.ts';
import { copyBytes, elsewhere, type Tensor, tensorBytes } from '../../graph/tensor.ts';
import type { Slice } from '../../prune/cut.ts';
import { gather } from '../../prune/gather.ts';
import { stretches } from '../part.ts';

/** Weights of fewer bytes are copied at once. */
const LARGE = 2 ** 22;
/** Bytes of the whole that are read at a time where the part's stretches are short. */
const WINDOW = 2 ** 22;

/** As `gather`; large weights are views. */
export const partView: Slice = (whole, positions) => {
  const width = factsOf(whole.dtype).bits / 8;
  if (tensorBytes(whole) < LARGE || !Number.isInteger(width)) return gather(whole, positions);
  const dims = whole.dims.map((dim, axis) => positions[axis]?.length ?? dim);
  return elsewhere(whole.dtype, dims, (into, at) => {
    const read = ahead(whole);
    stretches({ dims: whole.dims, positions }, (from, own, count) => {
      const [first, last] = [Math.max(at, own * width), Math.min(at + into.length, (own + count) * width)];
      if (first < last) read(into.subarray(first - at, last - at), from * width + first - own * width);
    });
  });
};

/** Reads stretches of a tensor whose places grow; short ones from a window that moves on. */
function ahead(t: Tensor): (into: Uint8Array, at: number) => void {
  const length = tensorBytes(t);
  let [from, window] = [0, new Uint8Array(0)];
  return (into, at) => {
    if (into.length >= WINDOW) {
      copyBytes(t, into, at);
      return;
    }
    if (at < from || at + into.length > from + window.length) {
      from = at;
      window = new Uint8Array(Math.min(WINDOW, length - at));
      copyBytes(t, window, at);
    }
    into.set(window.subarray(at - from, at - from + into.length));
  };
}
