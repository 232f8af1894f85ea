/** The protobuf wire format, read in place: a cursor over the file's bytes that copies nothing and trusts no length. */

import { PareError } from '../base/error.ts';

/** How a field's payload is laid out (protobuf "wire type"). */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Messages nest no deeper than this; protobuf's own readers stop at 100 too. */
const MAX_DEPTH = 100;
/** A 64-bit number takes at most ten groups of seven bits. */
const MAX_VARINT = 10;

/** A place in a message: `at` moves on, `end` is where the current message stops, `field` is what was met last. */
export interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** What the bytes are, in the user's words; leads every error. */
  readonly source: string;
  /** Where `bytes` begins in the file, so that errors name the file's own offsets. */
  readonly base: number;
  at: number;
  end: number;
  depth: number;
  field: number;
  wire: number;
  /** Where the current field's tag began. */
  start: number;
  /** The last variable-length number, as two unsigned 32-bit halves. */
  low: number;
  high: number;
}

/** A cursor at the first byte. */
export const cursor = (bytes: Uint8Array, source = 'the bytes', base = 0): Cursor => ({
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  source,
  base,
  at: 0,
  end: bytes.length,
  depth: 0,
  field: 0,
  wire: 0,
  start: 0,
  low: 0,
  high: 0,
});

/** An error about the bytes at the cursor. */
export const malformed = (c: Cursor, what: string, at = c.start): PareError =>
  new PareError('onnx/malformed', `${c.source} is damaged: ${what}.`, { where: `byte ${c.base + at}` });

/** Something claims more bytes than there are: the file was cut, or a length inside it is wrong. */
const overrun = (c: Cursor, at: number, wanted: number): PareError => {
  const left = c.end - c.at;
  if (c.end < c.bytes.length || c.base > 0) {
    return malformed(c, `a field of ${wanted} bytes lies in a message that has ${left} left`, at);
  }
  return new PareError('onnx/truncated', `${c.source} ends in the middle of a field.`, {
    where: `byte ${c.base + at}`,
    expected: `${wanted} more bytes`,
    got: `${left}`,
  });
};

/**
 * Steps to the next field of the current message; false at its end.
 * The caller then reads the payload with exactly one of the functions below.
 *
 * Throws   onnx/truncated, onnx/malformed
 */
export function nextField(c: Cursor): boolean {
  if (c.at >= c.end) return false;
  c.start = c.at;
  varint(c);
  c.field = c.low >>> 3;
  c.wire = c.low & 7;
  if (c.field === 0 || c.high !== 0) throw malformed(c, 'a field number is out of range');
  return true;
}

/** Reads a variable-length number into `low` and `high`. */
function varint(c: Cursor): void {
  let low = 0;
  let high = 0;
  for (let i = 0; i < MAX_VARINT; i++) {
    if (c.at >= c.end) throw overrun(c, c.at, 1);
    const byte = c.bytes[c.at++]!;
    const bits = byte & 127;
    if (i < 4) low += bits * 2 ** (7 * i);
    else if (i === 4) {
      low += (bits & 15) * 2 ** 28;
      high = bits >> 4;
    } else high += (i === 9 ? bits & 1 : bits) * 2 ** (7 * i - 32);
    if (byte < 128) {
      c.low = low;
      c.high = high;
      return;
    }
  }
  throw malformed(c, 'a number is longer than ten bytes');
}

const expect = (c: Cursor, wire: number): void => {
  if (c.wire !== wire) throw malformed(c, `field ${c.field} has wire type ${c.wire} where ${wire} belongs`);
};

/** The last number as a signed 64-bit one; exact to 2^53. */
const signed = (c: Cursor): number => (c.high >= 2 ** 31 ? c.high - 2 ** 32 : c.high) * 2 ** 32 + c.low;

/** int32, int64 or enum: exact to 2^53, rounded beyond. */
export function readInt(c: Cursor): number {
  expect(c, WIRE.varint);
  varint(c);
  return signed(c);
}

/** float32. */
export function readFloat(c: Cursor): number {
  expect(c, WIRE.fixed32);
  return c.view.getFloat32(take(c, 4), true);
}

/** Moves over `count` bytes and says where they began. */
function take(c: Cursor, count: number): number {
  if (count > c.end - c.at) throw overrun(c, c.start, count);
  const at = c.at;
  c.at += count;
  return at;
}

/** The length that begins a length-delimited payload. */
function readLength(c: Cursor): number {
  expect(c, WIRE.bytes);
  varint(c);
  return c.high * 2 ** 32 + c.low;
}

/** A length-delimited payload as a view. */
export function readBytes(c: Cursor): Uint8Array {
  const at = take(c, readLength(c));
  return c.bytes.subarray(at, c.at);
}

// A byte-order mark is part of a name like any other character.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Text; bytes that are no UTF-8 become U+FFFD. */
export function readText(c: Cursor): string {
  const length = readLength(c);
  const at = take(c, length);
  if (length > 48) return decoder.decode(c.bytes.subarray(at, c.at));
  // Short ASCII names, by far the most common, are quicker without the decoder.
  let text = '';
  for (let i = at; i < c.at; i++) {
    const byte = c.bytes[i]!;
    if (byte > 127) return decoder.decode(c.bytes.subarray(at, c.at));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Appends a repeated integer, packed or not. */
export function readInts(c: Cursor, into: number[]): void {
  if (c.wire === WIRE.varint) {
    into.push(readInt(c));
    return;
  }
  walkPacked(c, take(c, readLength(c)), () => {
    varint(c);
    into.push(signed(c));
  });
}

/** Appends a repeated float32, packed or not. */
export function readFloats(c: Cursor, into: number[]): void {
  if (c.wire === WIRE.fixed32) {
    into.push(readFloat(c));
    return;
  }
  const bytes = readBytes(c);
  if (bytes.length % 4 !== 0) throw malformed(c, `${bytes.length} bytes are no whole number of floats`);
  for (let at = c.at - bytes.length; at < c.at; at += 4) into.push(c.view.getFloat32(at, true));
}

/** Reads numbers from `from` to the cursor, which stands at the end of the packed payload. */
function walkPacked(c: Cursor, from: number, one: () => void): void {
  const end = c.end;
  c.end = c.at;
  c.at = from;
  while (c.at < c.end) one();
  c.end = end;
}

/**
 * Each number of a repeated integer as its two unsigned 32-bit halves, packed or not; for arrays too large for number[].
 */
export function eachVarint(c: Cursor, see: (low: number, high: number) => void): void {
  if (c.wire === WIRE.varint) {
    varint(c);
    see(c.low, c.high);
    return;
  }
  walkPacked(c, take(c, readLength(c)), () => {
    varint(c);
    see(c.low, c.high);
  });
}

/** Goes into a nested message, hands over its bytes, and comes out at its end. */
export function readMessage<T>(c: Cursor, body: (bytes: Uint8Array) => T): T {
  const from = take(c, readLength(c));
  const after = c.at;
  const end = c.end;
  if (++c.depth > MAX_DEPTH) throw malformed(c, `messages nest deeper than ${MAX_DEPTH} levels`);
  c.at = from;
  c.end = after;
  const value = body(c.bytes.subarray(from, after));
  c.depth -= 1;
  c.at = after;
  c.end = end;
  return value;
}

/** Moves over the payload of a field that nobody asks for. */
export function skip(c: Cursor): void {
  if (c.wire === WIRE.varint) varint(c);
  else if (c.wire === WIRE.bytes) take(c, readLength(c));
  else if (c.wire === WIRE.fixed32) take(c, 4);
  else if (c.wire === WIRE.fixed64) take(c, 8);
  else throw malformed(c, `field ${c.field} has the unknown wire type ${c.wire}`);
}

/** The whole field, tag included, as a view: how what we do not know is carried. */
export function readRaw(c: Cursor): Uint8Array {
  skip(c);
  return c.bytes.subarray(c.start, c.at);
}
