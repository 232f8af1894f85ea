/**
 * NumPy's .npy (one array) and .npz (a zip of them).
 *
 * Source   numpy.lib.format, versions 1.0, 2.0 and 3.0.
 */

import { unzipSync } from 'fflate';
import { PareError } from '../base/error.ts';
import { type DType, factsOf, type TypedArray } from '../graph/dtype.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { NdArray } from './idx.ts';

const TYPES: Readonly<Record<string, DType>> = {
  f2: 'float16', f4: 'float32', f8: 'float64', b1: 'bool',
  i1: 'int8', i2: 'int16', i4: 'int32', i8: 'int64',
  u1: 'uint8', u2: 'uint16', u4: 'uint32', u8: 'uint64',
}; // biome-ignore format: a table

/** Bytes a character of texts of a fixed width: UCS-4, or bytes of UTF-8. */
const CHARACTER: Readonly<Record<string, number>> = { U: 4, S: 1 };

const bad = (where: string, expected: string, got: string): PareError =>
  new PareError('data/npy', `"${where}" is not an array that Pare reads.`, { where, expected, got });

/** What stands before the values of a .npy file. */
export interface NpyHeader extends Preamble {
  readonly dtype: DType;
}

interface Preamble {
  /** What a value is, in NumPy's words without the order of its bytes: f4, U12. */
  readonly type: string;
  readonly dims: readonly number[];
  /** Bytes before the first value. */
  readonly start: number;
  readonly isBigEndian: boolean;
  /** The first axis runs fastest. */
  readonly isFortran: boolean;
}

/** Reads the header in the first bytes of a .npy file of numbers. Throws data/npy as `readNpy` does, and for texts. */
export function readNpyHeader(bytes: Uint8Array, where: string): NpyHeader {
  const preamble = preambleOf(bytes, where);
  const dtype = TYPES[preamble.type];
  if (dtype) return { ...preamble, dtype };
  throw bad(where, `numbers (${Object.keys(TYPES).join(' ')})`, `texts (${preamble.type})`);
}

function preambleOf(bytes: Uint8Array, where: string): Preamble {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== 'NUMPY') {
    throw bad(where, 'the bytes 93 "NUMPY"', `${bytes.length} bytes that begin otherwise`);
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw bad(where, 'format version 1 to 3', `version ${version}`);
  const wide = version > 1;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + length;
  const header = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(wide ? 12 : 10, start));
  const [, order, type = ''] = /'descr':\s*'([<>|=])([a-zA-Z]\d+)'/.exec(header) ?? [];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (shape === undefined || !(type in TYPES || type[0]! in CHARACTER)) {
    const expected = `numbers (${Object.keys(TYPES).join(' ')}) or texts (U, S)`;
    throw bad(where, expected, /'descr':\s*([^,]*)/.exec(header)?.[1] ?? header);
  }
  const dims = shape
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map(Number);
  return { type, dims, start, isBigEndian: order === '>', isFortran: /'fortran_order':\s*True/.test(header) };
}

/**
 * The array in a .npy file; big-endian values are swapped, Fortran order is turned into C order. Texts come as their places among
 * all different ones, sorted.
 *
 * Throws   data/npy for other files, for objects and complex numbers, and when values are missing.
 */
export function readNpy(bytes: Uint8Array, where: string): NdArray {
  const preamble = preambleOf(bytes, where);
  const { type, dims, isFortran } = preamble;
  const dtype = TYPES[type];
  const read = dtype ? readNumbers(bytes, where, preamble, dtype) : readTexts(bytes, where, preamble);
  return isFortran ? { ...read, dims, data: toC(read.data, dims) } : { ...read, dims };
}

/** The bytes of all values, `width` each, as this machine orders them in units of `unit`. */
function valueBytes(
  bytes: Uint8Array,
  where: string,
  { dims, start, isBigEndian }: Preamble,
  width: number,
  unit: number,
) {
  const size = sizeOf(dims) * width;
  if (bytes.length - start < size) {
    throw bad(where, `${size} bytes of values for [${dims.join(', ')}]`, `${bytes.length - start} bytes`);
  }
  const values = new Uint8Array(bytes.subarray(start, start + size));
  if (isBigEndian) for (let at = 0; at < values.length; at += unit) values.subarray(at, at + unit).reverse();
  return values;
}

function readNumbers(bytes: Uint8Array, where: string, preamble: Preamble, dtype: DType): Omit<NdArray, 'dims'> {
  const { array } = factsOf(dtype);
  const width = array.BYTES_PER_ELEMENT;
  return { dtype, data: new array(valueBytes(bytes, where, preamble, width, width).buffer, 0, sizeOf(preamble.dims)) };
}

function readTexts(bytes: Uint8Array, where: string, preamble: Preamble): Omit<NdArray, 'dims'> {
  const { type, dims } = preamble;
  const unit = CHARACTER[type[0]!]!;
  const width = unit * Number(type.slice(1));
  const values = valueBytes(bytes, where, preamble, width, unit);
  const texts = Array.from({ length: sizeOf(dims) }, (_, i) => {
    const own = values.slice(i * width, (i + 1) * width);
    const text = unit === 1 ? new TextDecoder().decode(own) : String.fromCodePoint(...new Uint32Array(own.buffer));
    return text.replace(/\0+$/, '');
  });
  const classes = [...new Set(texts)].sort();
  return { dtype: 'int64', data: BigInt64Array.from(texts, (text) => BigInt(classes.indexOf(text))), classes };
}

/** Values with the first axis running fastest, as values with the last axis running fastest. */
function toC(data: TypedArray, dims: readonly number[]): TypedArray {
  const from = data as Float64Array;
  const out = from.slice();
  const index = new Array<number>(dims.length).fill(0);
  const steps = dims.map((_, axis) => sizeOf(dims.slice(0, axis)));
  let read = 0;
  for (let at = 0; at < out.length; at++) {
    out[at] = from[read]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      read += steps[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      read -= steps[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/**
 * The arrays in a .npz file, by name.
 *
 * Throws   data/npz when it is no zip, or a member is damaged; data/npy for a member that is no array of numbers or texts.
 */
export function readNpz(bytes: Uint8Array, where: string): Record<string, NdArray> {
  let members: Record<string, Uint8Array>;
  try {
    members = unzipSync(bytes);
  } catch (cause) {
    throw new PareError('data/npz', `"${where}" is not a zip of arrays.`, {
      where,
      got: (cause as Error).message,
      cause,
    });
  }
  return Object.fromEntries(
    Object.entries(members)
      .filter(([name]) => name.endsWith('.npy'))
      .map(([name, member]) => [name.slice(0, -4), readNpy(member, `${where}:${name}`)]),
  );
}
