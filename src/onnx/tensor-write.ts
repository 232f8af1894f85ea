/** Tensor → TensorProto: unchanged tensors as the bytes they came from, others as raw data, or as a place elsewhere. */

import { PareError } from '../base/error.ts';
import { factsOf } from '../graph/dtype.ts';
import { pieces, sizeOf, type Tensor, tensorBytes } from '../graph/tensor.ts';
import type { Place } from './external.ts';
import { ENTRY, EXTERNAL, TENSOR } from './field.ts';
import { originOf } from './origin.ts';
import { cursor, nextField, skip } from './wire-read.ts';
import type { Sink } from './wire-write.ts';

/** What writing a model carries along. */
export interface Saving {
  /** Tensors that go to a data file instead of into the model, with their places in it. */
  readonly placed: ReadonlyMap<Tensor, Place>;
  /** May the model go on referring to this place? Else the elements are read and written inside. */
  readonly mayShare: (place: Place) => boolean;
}

/** Everything into one message. */
export const INSIDE: Saving = { placed: new Map(), mayShare: () => false };

/**
 * The tensor's fields under this name.
 *
 * Throws   tensor/size when the elements are not as many as the dimensions ask for.
 */
export function putTensor(sink: Sink, name: string, tensor: Tensor, saving: Saving): void {
  const found = originOf(tensor);
  const origin = found?.isSparse ? undefined : found;
  const place = saving.placed.get(tensor);
  const shared = place ?? (origin?.place && saving.mayShare(origin.place) ? origin.place : undefined);
  if (origin && !place && (!origin.place || (shared && !shared.isOwn))) {
    if (origin.name === name) sink.copy(origin.bytes);
    else sink.renamed(origin.bytes, TENSOR.name, name);
    return;
  }
  if (origin?.place?.isOwn && !shared) {
    putBack(sink, name, tensor, origin.bytes);
    return;
  }
  const { dtype, dims } = tensor;
  sink.ints(TENSOR.dims, dims);
  sink.int(TENSOR.dtype, factsOf(dtype).code);
  if (dtype === 'string') {
    const strings = tensor.strings ?? [];
    if (strings.length !== sizeOf(dims)) throw wrongSize(name, tensor, sizeOf(dims), strings.length, 'strings');
    for (const text of strings) sink.text(TENSOR.strings, text);
  }
  sink.maybeText(TENSOR.name, name);
  if (shared) putPlace(sink, shared);
  else if (dtype !== 'string') {
    const size = tensorBytes(tensor);
    sink.later(TENSOR.raw, size, () => sized(name, tensor));
  }
}

/** The message of a skeleton with the elements where they were. */
function putBack(sink: Sink, name: string, tensor: Tensor, message: Uint8Array): void {
  const c = cursor(message);
  while (nextField(c)) {
    skip(c);
    if (c.field === TENSOR.elsewhere) sink.later(TENSOR.raw, tensorBytes(tensor), () => sized(name, tensor));
    else if (c.field === TENSOR.name) sink.text(TENSOR.name, name);
    else sink.copy(message.subarray(c.start, c.at));
  }
}

/** The elements piece by piece, as many as the dimensions ask for. */
export function* sized(name: string, tensor: Tensor): Generator<Uint8Array> {
  const size = tensorBytes(tensor);
  let given = 0;
  for (const piece of pieces(tensor)) {
    given += piece.length;
    if (given > size) break;
    yield piece;
  }
  if (given !== size) throw wrongSize(name, tensor, size, given, 'bytes');
}

const wrongSize = (name: string, { dtype, dims }: Tensor, expected: number, got: number, unit: string): PareError =>
  new PareError('tensor/size', `Tensor "${name}" does not hold the ${dtype} elements of [${dims.join(', ')}].`, {
    where: name,
    expected: `${expected} ${unit}`,
    got: `${got} ${unit}`,
  });

function putPlace(sink: Sink, { location, offset, length }: Place): void {
  for (const [key, value] of Object.entries({ location, offset, length })) {
    if (value === undefined) continue;
    sink.message(TENSOR.external, () => {
      sink.text(ENTRY.key, key);
      sink.text(ENTRY.value, `${value}`);
    });
  }
  sink.int(TENSOR.location, EXTERNAL);
}
