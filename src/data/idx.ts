/**
 * IDX, the format of MNIST: 00 00 type rank, each dimension as big-endian uint32, then the values, big-endian.
 *
 * Source   LeCun, Cortes & Burges, "The MNIST database", section "The IDX file format".
 */

import { PareError } from '../base/error.ts';
import type { DType, TypedArray } from '../graph/dtype.ts';

/** An array that was read from a file. */
export interface NdArray {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
  /** Where the file holds texts: what they are, sorted; `data` then says which. */
  readonly classes?: readonly string[];
}

const TYPES: Readonly<Record<number, { dtype: DType; width: number; array: new (buffer: ArrayBuffer) => TypedArray }>> =
  {
    8: { dtype: 'uint8', width: 1, array: Uint8Array },
    9: { dtype: 'int8', width: 1, array: Int8Array },
    11: { dtype: 'int16', width: 2, array: Int16Array },
    12: { dtype: 'int32', width: 4, array: Int32Array },
    13: { dtype: 'float32', width: 4, array: Float32Array },
    14: { dtype: 'float64', width: 8, array: Float64Array },
  };

/**
 * The array in these bytes (already unpacked); `where` names the file in errors.
 *
 * Throws   data/idx when the header is not one of IDX, or the values are fewer or more than it announces.
 */
export function readIdx(bytes: Uint8Array, where: string): NdArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = TYPES[bytes[2] ?? -1];
  const rank = bytes[3] ?? 0;
  const start = 4 + 4 * rank;
  if (bytes[0] !== 0 || bytes[1] !== 0 || !type || rank === 0 || bytes.length < start) {
    throw new PareError('data/idx', `"${where}" does not begin like an IDX file.`, {
      where,
      expected: '00 00, a type code (08 09 0B 0C 0D 0E), the number of dimensions',
      got: [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') || 'an empty file',
    });
  }
  const dims = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = dims.reduce((product, dim) => product * dim, type.width);
  if (bytes.length - start !== expected) {
    throw new PareError('data/idx', `"${where}" does not hold the values that its header announces.`, {
      where,
      expected: `${expected} bytes for [${dims.join(', ')}] ${type.dtype}`,
      got: `${bytes.length - start} bytes`,
    });
  }
  if (type.dtype === 'uint8') return { dtype: 'uint8', dims, data: bytes.subarray(start) };
  const swapped = new Uint8Array(bytes.subarray(start)); // a copy of its own, also of a Buffer
  for (let at = 0; type.width > 1 && at < swapped.length; at += type.width) {
    swapped.subarray(at, at + type.width).reverse();
  }
  return { dtype: type.dtype, dims, data: new type.array(swapped.buffer) };
}
