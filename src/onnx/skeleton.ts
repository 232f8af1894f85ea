/**
 * A large file without its weights.
 *
 * The nesting of messages is walked on disk, headers only. What remains is the file's own bytes, in which each large
 * payload of a tensor is replaced by a note of where it lies; lengths of the messages around it follow. It is read as
 * any other model, and a weight is fetched from the file when it is touched.
 */

import { ATTR, GRAPH, MODEL, NODE, SPARSE, TENSOR } from './field.ts';
import { WIRE } from './wire-read.ts';

/** Payloads of fewer bytes stay where they are. */
const LARGE = 2 ** 16;
const WINDOW = 2 ** 16;
/** As deep as protobuf's own readers go. */
const MAX_DEPTH = 100;

/** Fills `into` from this place of the file; returns how many bytes there were. */
export type ReadAt = (into: Uint8Array, at: number) => number;

/** Which fields of a message lead to tensors. */
interface Way {
  readonly fields: ReadonlyMap<number, Way>;
  readonly holdsElements?: boolean;
}

const tensor: Way = { fields: new Map(), holdsElements: true };
const sparse: Way = { fields: new Map([[SPARSE.values, tensor]]) };
const attributeFields = new Map<number, Way>([[ATTR.t, tensor]]);
const attribute: Way = { fields: attributeFields };
const node: Way = { fields: new Map([[NODE.attr, attribute]]) };
const graph: Way = {
  fields: new Map([
    [GRAPH.node, node],
    [GRAPH.initializer, tensor],
    [GRAPH.sparse, sparse],
  ]),
};
attributeFields.set(ATTR.g, graph).set(ATTR.graphs, graph);
const model: Way = { fields: new Map([[MODEL.graph, graph]]) };

/** Bytes of the skeleton: a stretch of the file, or new ones. */
type Piece = { readonly from: number; to: number } | Uint8Array;

const sizeOfPiece = (piece: Piece): number => (piece instanceof Uint8Array ? piece.length : piece.to - piece.from);
const total = (pieces: readonly Piece[]): number => pieces.reduce((sum, piece) => sum + sizeOfPiece(piece), 0);

/** The skeleton of a file of `size` bytes, or undefined for one that is damaged: reading it in full says where. */
export function skeletonOf(read: ReadAt, size: number): Uint8Array | undefined {
  const pieces = piecesOf(model, 0, size, headerReader(read), 0);
  if (!pieces) return undefined;
  const out = new Uint8Array(total(pieces));
  let at = 0;
  for (const piece of pieces) {
    const length = sizeOfPiece(piece);
    if (piece instanceof Uint8Array) out.set(piece, at);
    else if (read(out.subarray(at, at + length), piece.from) < length) return undefined;
    at += length;
  }
  return out;
}

/** One number and where it ends. */
type Varint = { readonly value: number; readonly end: number };

/** Reads numbers anywhere in the file through a window that follows. */
function headerReader(read: ReadAt): (at: number) => Varint | undefined {
  const window = new Uint8Array(WINDOW);
  let from = 0;
  let held = 0;
  return (at) => {
    if (at < from || at + 10 > from + held) {
      from = at;
      held = read(window, at);
    }
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const place = at + i - from;
      if (place >= held) return undefined;
      const byte = window[place]!;
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return { value, end: at + i + 1 };
    }
    return undefined;
  };
}

/** Where a field's payload begins and ends; undefined where the bytes make no sense. */
function payloadOf(wire: number, at: number, varint: (at: number) => Varint | undefined): [number, number] | undefined {
  if (wire === WIRE.fixed32) return [at, at + 4];
  if (wire === WIRE.fixed64) return [at, at + 8];
  const number = varint(at);
  if (!number) return undefined;
  if (wire === WIRE.varint) return [at, number.end];
  return wire === WIRE.bytes ? [number.end, number.end + number.value] : undefined;
}

function piecesOf(
  way: Way,
  from: number,
  to: number,
  varint: (at: number) => Varint | undefined,
  depth: number,
): Piece[] | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const pieces: Piece[] = [];
  const keep = (start: number, end: number): void => {
    const last = pieces.at(-1);
    if (last && !(last instanceof Uint8Array) && last.to === start) last.to = end;
    else pieces.push({ from: start, to: end });
  };
  for (let at = from; at < to; ) {
    const tag = varint(at);
    const payload = tag && payloadOf(tag.value % 8, tag.end, varint);
    if (!payload || payload[1] > to) return undefined;
    const [start, end] = payload;
    const field = Math.floor(tag.value / 8);
    const isLarge = tag.value % 8 === WIRE.bytes && end - start >= LARGE;
    const further = isLarge ? way.fields.get(field) : undefined;
    if (further) {
      const inside = piecesOf(further, start, end, varint, depth + 1);
      if (!inside) return undefined;
      pieces.push(header(field, total(inside)), ...inside);
    } else if (isLarge && way.holdsElements && field === TENSOR.raw) pieces.push(note(start, end - start));
    else keep(at, end);
    at = end;
  }
  return pieces;
}

const header = (field: number, length: number): Uint8Array =>
  Uint8Array.from([...varintBytes(field * 8 + WIRE.bytes), ...varintBytes(length)]);

function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** What stands in the skeleton where a payload stood: its place in the file. */
export interface Note {
  readonly offset: number;
  readonly length: number;
}

function note(offset: number, length: number): Uint8Array {
  const head = header(TENSOR.elsewhere, 16);
  const bytes = new Uint8Array(head.length + 16);
  bytes.set(head);
  const view = new DataView(bytes.buffer, head.length);
  view.setFloat64(0, offset, true);
  view.setFloat64(8, length, true);
  return bytes;
}

/** Reads the payload of a note. */
export function readNote(payload: Uint8Array): Note {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { offset: view.getFloat64(0, true), length: view.getFloat64(8, true) };
}
