/** The protobuf wire format: the same code runs twice, first to measure, then to fill. Large payloads may be left aside. */

import { internal, PareError } from '../base/error.ts';
import { showBytes } from '../base/unit.ts';
import { toBigInt } from '../graph/tensor.ts';
import { cursor, nextField, skip, WIRE } from './wire-read.ts';

/** A protobuf message cannot be larger: its readers count in signed 32-bit numbers. */
export const MAX_MESSAGE = 2 ** 31 - 1;

const encoder = new TextEncoder();

/** Bytes of a text in UTF-8; a lone surrogate is written as U+FFFD, three bytes. */
function textLength(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      length += 4;
      i += 1;
    } else length += 3;
  }
  return length;
}

/** Payloads of this many bytes are left aside where a message is laid out in pieces. */
const LARGE = 2 ** 20;

/** A payload that is made only when the piece before it was taken. */
interface Aside {
  /** Bytes of the rest of the message that come before it. */
  readonly after: number;
  readonly make: () => Iterable<Uint8Array>;
}

/** Takes fields in order. Without `out` it only counts; nested lengths found then are used when filling. */
export class Sink {
  readonly #out: Uint8Array | undefined;
  readonly #view: DataView | undefined;
  /** Lengths of the nested messages, in the order in which they are opened. */
  readonly #lengths: number[];
  readonly #asides: Aside[] | undefined;
  #opened = 0;
  at = 0;
  /** Bytes of the payloads that were left aside. */
  aside = 0;

  constructor(lengths: number[], out?: Uint8Array, asides?: Aside[]) {
    this.#lengths = lengths;
    this.#asides = asides;
    this.#out = out;
    this.#view = out && new DataView(out.buffer, out.byteOffset, out.byteLength);
  }

  #varint(value: number): void {
    if (value < 0 || value > Number.MAX_SAFE_INTEGER) {
      let rest = BigInt.asUintN(64, toBigInt(value));
      for (; rest > 127n; rest >>= 7n) this.#byte(Number(rest & 127n) | 128);
      this.#byte(Number(rest));
      return;
    }
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#byte((rest % 128) | 128);
    this.#byte(rest);
  }

  #byte(byte: number): void {
    if (this.#out) this.#out[this.#place] = byte;
    this.at += 1;
  }

  /** Where the next byte goes in `out`. */
  get #place(): number {
    return this.at - this.aside;
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  /** Bytes as they are: whole fields that were read from a file. */
  copy(bytes: Uint8Array): void {
    this.#put(bytes.length, () => [bytes]);
  }

  #put(length: number, make: () => Iterable<Uint8Array>): void {
    if (this.#asides && length >= LARGE) {
      this.#asides.push({ after: this.#place, make: () => promised(length, make()) });
      this.aside += length;
    } else if (this.#out) {
      let at = this.#place;
      for (const piece of promised(length, make())) {
        this.#out.set(piece, at);
        at += piece.length;
      }
    }
    this.at += length;
  }

  /** int32, int64 or enum; what is beyond an int64 saturates. */
  int(field: number, value: number): void {
    this.#tag(field, WIRE.varint);
    this.#varint(Math.trunc(value));
  }

  /** Repeated integers, one tag each, as onnx.proto (proto2) lays them out. */
  ints(field: number, values: readonly number[]): void {
    for (const value of values) this.int(field, value);
  }

  float(field: number, value: number): void {
    this.#tag(field, WIRE.fixed32);
    this.#view?.setFloat32(this.#place, value, true);
    this.at += 4;
  }

  text(field: number, text: string): void {
    const length = textLength(text);
    this.#tag(field, WIRE.bytes);
    this.#varint(length);
    if (this.#out) encoder.encodeInto(text, this.#out.subarray(this.#place, this.#place + length));
    this.at += length;
  }

  /** Text that is left out when empty. */
  maybeText(field: number, text: string | undefined): void {
    if (text) this.text(field, text);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.later(field, bytes.length, () => [bytes]);
  }

  /** Bytes whose number is known but which are made only when they are written, piece by piece. */
  later(field: number, length: number, make: () => Iterable<Uint8Array>): void {
    this.#tag(field, WIRE.bytes);
    this.#varint(length);
    this.#put(length, make);
  }

  message(field: number, body: () => void): void {
    const slot = this.#opened++;
    this.#tag(field, WIRE.bytes);
    if (this.#out) {
      this.#varint(this.#lengths[slot]!);
      body();
      return;
    }
    const from = this.at;
    body();
    const length = this.at - from;
    this.#lengths[slot] = length;
    this.#varint(length);
  }

  /** The fields of a message under another name: all but `nameField` as they are. */
  renamed(message: Uint8Array, nameField: number, name: string): void {
    this.text(nameField, name);
    const c = cursor(message);
    while (nextField(c)) {
      skip(c);
      if (c.field !== nameField) this.copy(message.subarray(c.start, c.at));
    }
  }
}

function* promised(length: number, pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let given = 0;
  for (const piece of pieces) {
    given += piece.length;
    if (given > length) break;
    yield piece;
  }
  if (given !== length) throw internal(`${given} bytes came where ${length} were promised`);
}

/**
 * The message that `body` describes. `body` runs twice and must say the same both times.
 *
 * Throws   onnx/too-large for more than 2 GB, before anything is allocated.
 */
export function encode(body: (sink: Sink) => void): Uint8Array<ArrayBuffer> {
  const lengths: number[] = [];
  const size = measure(body, lengths);
  if (size > MAX_MESSAGE) {
    throw new PareError(
      'onnx/too-large',
      'An ONNX file holds at most 2 GB; larger models keep their weights beside it.',
      {
        expected: `${showBytes(MAX_MESSAGE)} at most`,
        got: showBytes(size),
        hint: 'write to a file with writeModelFile, which moves the weights out',
      },
    );
  }
  const out = new Uint8Array(size);
  const sink = new Sink(lengths, out);
  body(sink);
  if (sink.at !== size) throw internal(`a message of ${size} bytes was written as ${sink.at}`);
  return out;
}

/** Bytes that the message will take. */
export function measure(body: (sink: Sink) => void, lengths: number[] = []): number {
  const sink = new Sink(lengths);
  body(sink);
  return sink.at;
}

/** The message in order, piece by piece: never more in memory than what is small and one piece of a large payload. */
export function* encodePieces(body: (sink: Sink) => void): Generator<Uint8Array> {
  const lengths: number[] = [];
  const counted = new Sink(lengths, undefined, []);
  body(counted);
  const asides: Aside[] = [];
  const out = new Uint8Array(counted.at - counted.aside);
  body(new Sink(lengths, out, asides));
  let from = 0;
  for (const { after, make } of asides) {
    yield out.subarray(from, after);
    yield* make();
    from = after;
  }
  yield out.subarray(from);
}
