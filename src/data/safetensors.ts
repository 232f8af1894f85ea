/**
 * safetensors: a little-endian uint64 length, that many bytes of JSON, then the values of all arrays.
 *
 * Source   github.com/huggingface/safetensors, "Format".
 */

import { PareError } from '../base/error.ts';
import { byteLength, type DType, factsOf } from '../graph/dtype.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { NdArray } from './idx.ts';

const TYPES: Readonly<Record<string, DType>> = {
  F64: 'float64', F32: 'float32', F16: 'float16', BF16: 'bfloat16', BOOL: 'bool',
  I64: 'int64', I32: 'int32', I16: 'int16', I8: 'int8',
  U64: 'uint64', U32: 'uint32', U16: 'uint16', U8: 'uint8',
}; // biome-ignore format: a table

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * The arrays of a safetensors file, by name.
 *
 * Throws   data/safetensors when the header is broken, an array does not fit, or its type is unknown here.
 */
export function readSafetensors(bytes: Uint8Array, where: string): Record<string, NdArray> {
  const bad = (expected: string, got: string, cause?: unknown): PareError =>
    new PareError('data/safetensors', `"${where}" is not a safetensors file that Pare reads.`, {
      where,
      expected,
      got,
      ...(cause !== undefined && { cause }),
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 8 ? Number.POSITIVE_INFINITY : Number(view.getBigUint64(0, true));
  if (8 + length > bytes.length) throw bad('a header inside the file', `${length} bytes of header in ${bytes.length}`);
  let header: Record<string, Entry>;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw bad('a JSON header', (cause as Error).message, cause);
  }
  const out: Record<string, NdArray> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const dtype = TYPES[entry.dtype];
    if (!dtype) throw bad(Object.keys(TYPES).join(', '), `${entry.dtype} for "${name}"`);
    const [from, to] = entry.data_offsets;
    const values = new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to));
    const size = byteLength(dtype, sizeOf(entry.shape));
    if (values.length !== size)
      throw bad(`${size} bytes for "${name}" [${entry.shape.join(', ')}]`, `${values.length} bytes`);
    const { array } = factsOf(dtype);
    out[name] = { dtype, dims: entry.shape, data: new array(values.buffer, 0, size / array.BYTES_PER_ELEMENT) };
  }
  return out;
}
