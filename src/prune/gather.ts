/** A tensor without some of its positions: raw copies, whatever the dtype. */

import { byteLength, factsOf } from '../graph/dtype.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';

/**
 * The elements at the kept positions of every axis, in order; an axis without a list is kept whole.
 *
 * Shapes   t [d0, d1, …] -> [kept[0].length or d0, …]; packed sub-byte elements are packed anew.
 */
export function gather(t: Tensor, kept: readonly (ArrayLike<number> | undefined)[]): Tensor {
  const dims = t.dims.map((dim, axis) => kept[axis]?.length ?? dim);
  const { bits } = factsOf(t.dtype);
  const wide: Tensor = bits % 8 === 0 ? t : { ...t, bytes: unpack(t.bytes, bits, sizeOf(t.dims)) };
  const width = bits % 8 === 0 ? bits / 8 : 1;
  const last = t.dims.findLastIndex((_, axis) => kept[axis] !== undefined);
  if (last < 0) return t;
  const run = sizeOf(t.dims.slice(last + 1)) * width;
  const out = new Uint8Array(sizeOf(dims) * width);
  let at = 0;
  const copy = (axis: number, from: number): void => {
    const stride = sizeOf(t.dims.slice(axis + 1)) * width;
    const list = kept[axis];
    const count = dims[axis]!;
    for (let i = 0; i < count; i++) {
      const start = from + (list ? list[i]! : i) * stride;
      if (axis < last) copy(axis + 1, start);
      else {
        out.set(wide.bytes.subarray(start, start + run), at);
        at += run;
      }
    }
  };
  copy(0, 0);
  return { dtype: t.dtype, dims, bytes: bits % 8 === 0 ? out : pack(out, bits, byteLength(t.dtype, sizeOf(dims))) };
}

/** A copy with zeros at these positions of an axis. Packed sub-byte tensors are not masked. */
export function zeroed(t: Tensor, axis: number, positions: ArrayLike<number>): Tensor {
  const width = factsOf(t.dtype).bits / 8;
  const inner = sizeOf(t.dims.slice(axis + 1)) * width;
  const outer = sizeOf(t.dims.slice(0, axis));
  const bytes = t.bytes.slice();
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < positions.length; i++) {
      const start = (o * t.dims[axis]! + positions[i]!) * inner;
      bytes.fill(0, start, start + inner);
    }
  }
  return { dtype: t.dtype, dims: t.dims, bytes };
}

const unpack = (bytes: Uint8Array, bits: number, count: number): Uint8Array => {
  const per = 8 / bits;
  return Uint8Array.from(
    { length: count },
    (_, i) => (bytes[Math.floor(i / per)]! >> (bits * (i % per))) & (2 ** bits - 1),
  );
};

const pack = (elements: Uint8Array, bits: number, length: number): Uint8Array => {
  const per = 8 / bits;
  const out = new Uint8Array(length);
  elements.forEach((element, i) => {
    out[Math.floor(i / per)]! |= element << (bits * (i % per));
  });
  return out;
};
