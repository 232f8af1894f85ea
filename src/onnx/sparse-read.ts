/**
 * SparseTensorProto → Tensor: what is stored lies at its places among zeros, decoded at the first touch.
 *
 *   values [K], indices [K] (places in row-major order) or [K, rank] (coordinates), dims
 */

import { byteLength, factsOf } from '../graph/dtype.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { SPARSE } from './field.ts';
import { remember } from './origin.ts';
import { lazy, once, type Reading, readTensor } from './tensor-read.ts';
import { type Cursor, malformed, nextField, readInts, readMessage, skip } from './wire-read.ts';

/** Reads the SparseTensorProto that the cursor has gone into. Its name is that of its values. */
export function readSparse(c: Cursor, message: Uint8Array, reading: Reading): { name: string; tensor: Tensor } {
  const before = reading.externals;
  const dims: number[] = [];
  let values: { name: string; tensor: Tensor } | undefined;
  let indices: Tensor | undefined;
  while (nextField(c)) {
    if (c.field === SPARSE.values) values = readMessage(c, (bytes) => readTensor(c, bytes, reading));
    else if (c.field === SPARSE.indices) indices = readMessage(c, (bytes) => readTensor(c, bytes, reading).tensor);
    else if (c.field === SPARSE.dims) readInts(c, dims);
    else skip(c);
  }
  const name = values?.name ?? '';
  const wrong = (what: string) => malformed(c, `sparse tensor "${name}" ${what}`, c.at);
  if (!values || !indices) throw wrong('lacks its values or their places');
  if (dims.some((dim) => !(dim >= 0)) || !(sizeOf(dims) <= Number.MAX_SAFE_INTEGER / 16))
    throw wrong(`has the dimensions [${dims.join(', ')}]`);
  const { tensor: stored } = values;
  const count = sizeOf(stored.dims);
  const each = indices.dims.length > 1 ? dims.length : 1;
  if (indices.dtype !== 'int64' || sizeOf(indices.dims) !== count * each || factsOf(stored.dtype).bits < 8)
    throw wrong(`has ${indices.dtype} places [${indices.dims.join(', ')}] for ${count} values of ${stored.dtype}`);
  const places = indices;
  const scatter = (): Uint8Array => {
    const all = sizeOf(dims);
    const width = byteLength(stored.dtype, 1);
    const bytes = new Uint8Array(byteLength(stored.dtype, all));
    const [from, at] = [stored.bytes, numbers(places)];
    for (let k = 0; k < count; k++) {
      let place = 0;
      for (let axis = 0; axis < each; axis++) place = place * (each > 1 ? dims[axis]! : 1) + at[k * each + axis]!;
      if (!(place >= 0 && place < all)) throw wrong(`has a value at ${place} of ${all} places`);
      bytes.set(from.subarray(k * width, (k + 1) * width), place * width);
    }
    return bytes;
  };
  const tensor = lazy(stored.dtype, dims, once(scatter));
  // Elements elsewhere need not stay where the message says.
  const isWhole = reading.externals === before;
  return { name, tensor: isWhole ? remember(tensor, { bytes: message, name, isSparse: true }) : tensor };
}
