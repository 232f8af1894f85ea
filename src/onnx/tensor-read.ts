/** TensorProto → Tensor: raw data as a view, typed data decoded at the first touch, external data read at each. */

import { PareError } from '../base/error.ts';
import { byteLength, DTYPES, type DType, dtypeOf } from '../graph/dtype.ts';
import { elsewhere, sizeOf, type Tensor } from '../graph/tensor.ts';
import { checkLocation, type Place, type Shelf, tooShort } from './external.ts';
import { ENTRY, EXTERNAL, TENSOR } from './field.ts';
import { remember } from './origin.ts';
import type { Recent } from './recent.ts';
import { readNote } from './skeleton.ts';
import {
  type Cursor,
  cursor,
  eachVarint,
  malformed,
  nextField,
  readBytes,
  readInt,
  readInts,
  readMessage,
  readText,
  skip,
  WIRE,
} from './wire-read.ts';

/** What reading a model carries along. */
export interface Reading {
  readonly shelf: Shelf;
  readonly recent: Recent;
  /** The model's own file by its name in the folder, when the bytes are its skeleton. */
  readonly own?: string;
  /** Tensors met so far whose elements lie elsewhere: what holds one is never copied as bytes. */
  externals: number;
}

/** The typed field that holds a dtype's elements when there is no raw data. */
const fieldFor = (dtype: DType): number => {
  if (dtype === 'float32' || dtype === 'complex64') return TENSOR.floats;
  if (dtype === 'float64' || dtype === 'complex128') return TENSOR.doubles;
  if (dtype === 'int64') return TENSOR.int64s;
  if (dtype === 'uint64' || dtype === 'uint32') return TENSOR.uint64s;
  return TENSOR.int32s;
};

const TYPED = new Set<number>([TENSOR.floats, TENSOR.int32s, TENSOR.int64s, TENSOR.doubles, TENSOR.uint64s]);
const NO_BYTES = new Uint8Array(0);
/** Bytes read at a time where all are copied elsewhere. */
const PIECE = 2 ** 22;

/** Reads the TensorProto that the cursor has gone into. */
export function readTensor(c: Cursor, message: Uint8Array, reading: Reading): { name: string; tensor: Tensor } {
  const base = c.base + c.at;
  const dims: number[] = [];
  const entries = new Map<string, string>();
  let code = 0;
  let name = '';
  let raw: Uint8Array | undefined;
  let location = 0;
  let typed = false;
  let own: Place | undefined;
  while (nextField(c)) {
    if (c.field === TENSOR.dims) readInts(c, dims);
    else if (c.field === TENSOR.dtype) code = readInt(c);
    else if (c.field === TENSOR.name) name = readText(c);
    else if (c.field === TENSOR.raw) raw = readBytes(c);
    else if (c.field === TENSOR.location) location = readInt(c);
    else if (c.field === TENSOR.external) readEntry(c, entries);
    else if (c.field === TENSOR.elsewhere && reading.own !== undefined)
      own = ownPlace(readBytes(c), reading.own, reading);
    else {
      typed ||= TYPED.has(c.field);
      skip(c);
    }
  }
  const dtype = dtypeOf(code);
  if (!dtype) {
    throw new PareError('onnx/dtype', `Tensor "${name}" in ${c.source} has the unknown element type ${code}.`, {
      where: `byte ${base}`,
      expected: `a code up to ${Math.max(...Object.values(DTYPES).map((facts) => facts.code))}`,
      got: `${code}`,
    });
  }
  // A dimension below 0, and a product that is no exact number, would make every later size wrong.
  if (dims.some((dim) => !(dim >= 0)) || !(sizeOf(dims) <= Number.MAX_SAFE_INTEGER / 16)) {
    throw malformed(c, `tensor "${name}" has the dimensions [${dims.join(', ')}]`, c.at);
  }
  const source = `tensor "${name}" in ${c.source}`;
  if (own || location === EXTERNAL) {
    const place = own ?? placeOf(c, source, entries, reading.shelf);
    reading.externals += 1;
    const read = placeReader(source, place, byteLength(dtype, sizeOf(dims)), reading.shelf);
    const tensor = elsewhere(
      dtype,
      dims,
      (into, at) => {
        for (let from = 0; from < into.length; from += PIECE)
          into.set(read(at + from, Math.min(PIECE, into.length - from)), from);
      },
      () => reading.recent.get(tensor, () => read(0, byteLength(dtype, sizeOf(dims)))),
    );
    return { name, tensor: remember(tensor, { bytes: message, name, place }) };
  }
  const at = { message, source, base };
  const tensor: Tensor =
    dtype === 'string'
      ? lazyStrings(dims, () => decodeStrings(at, dims))
      : raw || !typed
        ? { dtype, dims, bytes: raw ?? NO_BYTES }
        : lazy(
            dtype,
            dims,
            once(() => decode(at, dtype, dims)),
          );
  return { name, tensor: remember(tensor, { bytes: message, name }) };
}

/** A StringStringEntryProto; a later entry of the same key wins. */
export function readEntry(c: Cursor, into: Map<string, string>): void {
  readMessage(c, () => {
    let key = '';
    let value = '';
    while (nextField(c)) {
      if (c.field === ENTRY.key) key = readText(c);
      else if (c.field === ENTRY.value) value = readText(c);
      else skip(c);
    }
    into.set(key, value);
  });
}

/** A tensor whose elements are made when somebody reads them. */
export const lazy = (dtype: DType, dims: readonly number[], make: () => Uint8Array): Tensor => ({
  dtype,
  dims,
  get bytes() {
    return make();
  },
});

const lazyStrings = (dims: readonly number[], make: () => readonly string[]): Tensor => {
  const strings = once(make);
  return {
    dtype: 'string',
    dims,
    bytes: NO_BYTES,
    get strings() {
      return strings();
    },
  };
};

export const once = <T>(make: () => T): (() => T) => {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
};

/** A TensorProto that will be decoded when it is touched. */
interface Pending {
  readonly message: Uint8Array;
  readonly source: string;
  readonly base: number;
}

const wrongCount = (source: string, expected: number, got: number, dims: readonly number[], unit: string): PareError =>
  new PareError('tensor/size', `The ${source} does not hold the elements of [${dims.join(', ')}].`, {
    expected: `${expected} ${unit}`,
    got: `${got} ${unit}`,
  });

/**
 * The elements of a typed data field, packed or not, as raw data would hold them.
 *
 *   float_data   float32, complex64 (real, imaginary)     int32_data    all of 32 bits and less, one value or one
 *   double_data  float64, complex128                                    packed byte of sub-byte values an entry;
 *   int64_data   int64                                                  16-bit floats as their bits
 *   uint64_data  uint64, uint32
 *
 * The values are counted before anything is allocated: a damaged file's dimensions may say anything.
 */
function decode({ message, source, base }: Pending, dtype: DType, dims: readonly number[]): Uint8Array {
  const field = fieldFor(dtype);
  const expected = byteLength(dtype, sizeOf(dims));
  const each = (see: (c: Cursor) => void): void => {
    const c = cursor(message, source, base);
    while (nextField(c)) {
      if (c.field === field) see(c);
      else skip(c);
    }
  };

  if (field === TENSOR.floats || field === TENSOR.doubles) {
    const chunks: Uint8Array[] = [];
    each((c) => chunks.push(fixedChunk(c, field === TENSOR.floats ? WIRE.fixed32 : WIRE.fixed64)));
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (total !== expected) throw wrongCount(source, expected, total, dims, 'bytes');
    if (chunks.length === 1) return chunks[0]!;
    const out = new Uint8Array(total);
    let at = 0;
    for (const chunk of chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }

  const width = Math.max(1, DTYPES[dtype].bits / 8);
  let count = 0;
  each((c) => eachVarint(c, () => (count += 1)));
  if (count * width !== expected) throw wrongCount(source, expected / width, count, dims, 'values');
  const out = new Uint8Array(expected);
  const view = new DataView(out.buffer);
  let at = 0;
  each((c) =>
    eachVarint(c, (low, high) => {
      if (width === 1) out[at] = low;
      else if (width === 2) view.setUint16(at, low, true);
      else view.setUint32(at, low, true);
      if (width === 8) view.setUint32(at + 4, high, true);
      at += width;
    }),
  );
  return out;
}

/** The payload of a packed field, or of one unpacked number: fixed-width numbers lie in it as in raw data. */
function fixedChunk(c: Cursor, wire: number): Uint8Array {
  if (c.wire === WIRE.bytes) return readBytes(c);
  if (c.wire !== wire) throw malformed(c, `field ${c.field} has wire type ${c.wire} where ${wire} belongs`);
  const from = c.at;
  skip(c);
  return c.bytes.subarray(from, c.at);
}

function decodeStrings({ message, source, base }: Pending, dims: readonly number[]): readonly string[] {
  const strings: string[] = [];
  const c = cursor(message, source, base);
  while (nextField(c)) {
    if (c.field === TENSOR.strings) strings.push(readText(c));
    else skip(c);
  }
  if (strings.length !== sizeOf(dims)) throw wrongCount(source, sizeOf(dims), strings.length, dims, 'strings');
  return strings;
}

/** Where the model's own file holds the elements. */
function ownPlace(note: Uint8Array, location: string, { shelf }: Reading): Place {
  const path = shelf.path(location);
  return { location, ...readNote(note), isOwn: true, ...(path !== undefined && { path }) };
}

/** Where external_data says the elements lie. */
function placeOf(c: Cursor, source: string, entries: ReadonlyMap<string, string>, shelf: Shelf): Place {
  const location = entries.get('location') ?? '';
  checkLocation(location, source);
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined || text === '') return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
      throw malformed(c, `${source} has the ${key} "${text}"`, c.at);
    return value;
  };
  const length = number('length');
  const path = shelf.path(location);
  return {
    location,
    offset: number('offset') ?? 0,
    ...(length !== undefined && { length }),
    ...(path !== undefined && { path }),
  };
}

/** Reads stretches of what lies at a place. Throws onnx/external-truncated when it has not the size that is `expected`. */
function placeReader(
  source: string,
  place: Place,
  expected: number,
  shelf: Shelf,
): (at: number, count: number) => Uint8Array {
  const { location, offset, length = expected } = place;
  return (at, count) => {
    if (length !== expected) {
      throw new PareError('onnx/external-truncated', `The ${source} does not have the size its dimensions ask for.`, {
        where: location,
        expected: `${expected} bytes`,
        got: `${length} bytes`,
      });
    }
    const bytes = shelf.read(location, offset + at, count);
    if (bytes.length !== count) throw tooShort(location, offset + at + count, offset + at + bytes.length);
    return bytes;
  };
}
