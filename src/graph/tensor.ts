/** A tensor is a value: element type, dimensions, and bytes that are a view wherever they can be. */

import { PareError } from '../base/error.ts';
import { byteLength, type DType, factsOf, type TypedArray } from './dtype.ts';

export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Little-endian elements as ONNX raw_data lays them out. May be read from disk at the first touch. */
  readonly bytes: Uint8Array;
  /** The elements of a string tensor; its `bytes` are empty. */
  readonly strings?: readonly string[];
}

/** Number of elements of these dimensions; 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** Bytes of the elements, from the dimensions alone: nothing is decoded or read from disk. */
export const tensorBytes = ({ dtype, dims }: Pick<Tensor, 'dtype' | 'dims'>): number => byteLength(dtype, sizeOf(dims));

/**
 * A tensor over existing memory; nothing is copied.
 *
 * Throws   tensor/size when the memory does not hold exactly the elements that `dims` ask for.
 */
export function tensor(
  dtype: DType,
  dims: readonly number[],
  data: TypedArray | ArrayLike<number> | readonly string[],
): Tensor {
  if (dtype === 'string') return { dtype, dims, bytes: new Uint8Array(0), strings: data as readonly string[] };
  const array = ArrayBuffer.isView(data) ? (data as TypedArray) : fromNumbers(dtype, data as ArrayLike<number>);
  const expected = byteLength(dtype, sizeOf(dims));
  if (array.byteLength !== expected) {
    throw new PareError('tensor/size', `A ${dtype} tensor of [${dims.join(', ')}] needs ${expected} bytes.`, {
      expected: `${expected} bytes`,
      got: `${array.byteLength} bytes`,
    });
  }
  return { dtype, dims, bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

const fromNumbers = (dtype: DType, numbers: ArrayLike<number>): TypedArray => {
  const { array } = factsOf(dtype);
  if (array === (BigInt64Array as unknown) || array === (BigUint64Array as unknown)) {
    const make = array as unknown as { from(source: ArrayLike<number>, map: (x: number) => bigint): TypedArray };
    return make.from(numbers, toBigInt);
  }
  return (array as unknown as { from(source: ArrayLike<number>): TypedArray }).from(numbers);
};

const INT64_MAX = 2n ** 63n - 1n;

/** A number as an int64; what lies beyond its range saturates (exporters write 2^63 for "to the end"). */
export const toBigInt = (x: number): bigint =>
  x >= 2 ** 63 ? INT64_MAX : x <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(x));

/** Puts `into.length` bytes of the elements, from byte `at` on, into memory. */
export type ReadBytes = (into: Uint8Array, at: number) => void;

/** How to read the elements that lie elsewhere: a copy of a tensor (`{ ...t, bytes }`) holds its own. */
const readers = new WeakMap<Tensor, ReadBytes>();

/**
 * A tensor whose elements lie elsewhere: on disk, or where they can be made again. `copyBytes` and `pieces` take them without
 * holding them; `bytes` reads all at each touch, unless `whole` knows better.
 */
export function elsewhere(dtype: DType, dims: readonly number[], read: ReadBytes, whole?: () => Uint8Array): Tensor {
  const all = (): Uint8Array => {
    const bytes = new Uint8Array(byteLength(dtype, sizeOf(dims)));
    read(bytes, 0);
    return bytes;
  };
  const lazy: Tensor = {
    dtype,
    dims,
    get bytes() {
      return (whole ?? all)();
    },
  };
  readers.set(lazy, read);
  return lazy;
}

export const isElsewhere = (t: Tensor): boolean => readers.has(t);

/** Copies `into.length` bytes of the elements, from byte `at` on (default 0), and holds nothing else. */
export function copyBytes(t: Tensor, into: Uint8Array, at = 0): void {
  const read = readers.get(t);
  if (read) read(into, at);
  else into.set(t.bytes.subarray(at, at + into.length));
}

/** Bytes of what lies elsewhere that are held at a time. */
const PIECE = 2 ** 24;

/** The bytes in order: in one view, or piece by piece where they lie elsewhere. */
export function* pieces(t: Tensor): Generator<Uint8Array> {
  if (!readers.has(t)) {
    yield t.bytes;
    return;
  }
  const length = tensorBytes(t);
  for (let at = 0; at < length; at += PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, length - at));
    copyBytes(t, piece, at);
    yield piece;
  }
}

/** The same numbers, bit by bit, in the same shape? */
export const isSameTensor = (a: Tensor, b: Tensor): boolean =>
  a.dtype === b.dtype &&
  a.dims.join() === b.dims.join() &&
  a.bytes.length === b.bytes.length &&
  a.bytes.every((byte, i) => byte === b.bytes[i]);

/** Same elements, zero-filled. */
export const zeros = (dtype: DType, dims: readonly number[]): Tensor => ({
  dtype,
  dims,
  bytes: new Uint8Array(byteLength(dtype, sizeOf(dims))),
});

/** float32 tensor from numbers or a Float32Array. */
export const float32 = (dims: readonly number[], data: ArrayLike<number>): Tensor =>
  tensor('float32', dims, data instanceof Float32Array ? data : Float32Array.from(data));
/** int64 tensor from numbers. */
export const int64 = (dims: readonly number[], data: ArrayLike<number>): Tensor => tensor('int64', dims, data);

/**
 * The elements as the typed array of their dtype: a view if the bytes are aligned, a copy if they are not.
 * 16-bit floats come as their bits; sub-byte types packed.
 */
export function elements(t: Tensor): TypedArray {
  const { array } = factsOf(t.dtype);
  const { bytes } = t;
  const width = array.BYTES_PER_ELEMENT;
  if (bytes.byteOffset % width === 0) return new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / width);
  const copy = new Uint8Array(bytes); // not slice(): a Buffer's is a view
  return new array(copy.buffer, 0, copy.byteLength / width);
}

/**
 * The elements of a float32 tensor.
 *
 * Throws   tensor/dtype for any other dtype.
 */
export function floats(t: Tensor): Float32Array {
  if (t.dtype !== 'float32') {
    throw new PareError('tensor/dtype', `Expected a float32 tensor, got ${t.dtype}.`, {
      expected: 'float32',
      got: t.dtype,
    });
  }
  return elements(t) as Float32Array;
}

/**
 * Copies the elements of a float32 tensor.
 *
 * Throws   tensor/dtype for any other dtype; tensor/size where `into` has room for more or fewer.
 */
export function copyFloats(t: Tensor, into: Float32Array): void {
  if (t.dtype !== 'float32') floats(t);
  if (sizeOf(t.dims) !== into.length) {
    throw new PareError('tensor/size', `[${t.dims.join(', ')}] does not fill ${into.length} numbers.`, {
      expected: `${into.length}`,
      got: `${sizeOf(t.dims)}`,
    });
  }
  copyBytes(t, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
}

/** The elements as plain numbers, whatever their dtype (16-bit and 8-bit floats decoded, int64 rounded to 2^53). */
export function numbers(t: Tensor): number[] {
  if (t.dtype === 'float16') return Array.from(elements(t) as Uint16Array, fromHalf);
  if (t.dtype === 'bfloat16') return Array.from(elements(t) as Uint16Array, fromBrain);
  if (t.dtype === 'int4' || t.dtype === 'uint4') return fromNibbles(t);
  return Array.from(elements(t) as ArrayLike<number | bigint>, Number);
}

const fromNibbles = (t: Tensor): number[] =>
  Array.from({ length: sizeOf(t.dims) }, (_, i) => {
    const nibble = (t.bytes[i >> 1]! >> (4 * (i & 1))) & 15;
    return t.dtype === 'int4' && nibble > 7 ? nibble - 16 : nibble;
  });

const scratch = new DataView(new ArrayBuffer(4));

/** bfloat16 bits → number. */
export const fromBrain = (bits: number): number => {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
};

/** Number → bfloat16 bits, halves to even. */
export const toBrain = (value: number): number => {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return Number.isNaN(value) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
};

/** IEEE binary16 bits → number. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Number → IEEE binary16 bits, halves to even. */
export function toHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | 0x7c00 | (magnitude > 0x7f800000 ? 0x200 : 0);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    const shift = 126 - (magnitude >>> 23);
    if (shift > 24) return sign;
    const mantissa = (magnitude & 0x7fffff) | 0x800000;
    const half = mantissa >>> shift;
    const rest = mantissa & ((1 << shift) - 1);
    const middle = 1 << (shift - 1);
    return sign | (half + (rest > middle || (rest === middle && half & 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}
