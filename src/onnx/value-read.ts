/** ValueInfoProto and TypeProto → ValueInfo. Types that are no plain tensors are carried as their bytes. */

import { dtypeOf } from '../graph/dtype.ts';
import type { Dim, TensorType, ValueInfo, ValueType } from '../graph/model.ts';
import { DIM, SHAPE, TENSOR_TYPE, TYPE, VALUE } from './field.ts';
import { remember } from './origin.ts';
import { readEntry } from './tensor-read.ts';
import { type Cursor, nextField, readInt, readMessage, readText, skip } from './wire-read.ts';

/** Reads the ValueInfoProto that the cursor has gone into. */
export function readValue(c: Cursor, message: Uint8Array): ValueInfo {
  const metadata = new Map<string, string>();
  let name = '';
  let doc = '';
  let type: ValueType | undefined;
  while (nextField(c)) {
    if (c.field === VALUE.name) name = readText(c);
    else if (c.field === VALUE.type) type = readMessage(c, (bytes) => readType(c, bytes));
    else if (c.field === VALUE.doc) doc = readText(c);
    else if (c.field === VALUE.metadata) readEntry(c, metadata);
    else skip(c);
  }
  const value: ValueInfo = {
    name,
    ...(type && { type }),
    ...(doc && { doc }),
    ...(metadata.size > 0 && { metadata: Object.fromEntries(metadata) }),
  };
  return remember(value, { bytes: message, name });
}

function readType(c: Cursor, message: Uint8Array): ValueType {
  let tensor: TensorType | undefined;
  let other = false;
  while (nextField(c)) {
    if (c.field === TYPE.tensor) tensor = readMessage(c, () => readTensorType(c));
    else {
      other ||= c.field !== TYPE.denotation;
      skip(c);
    }
  }
  return tensor && !other ? remember(tensor, { bytes: message }) : { kind: 'opaque', bytes: message };
}

/** Undefined for an element type that this version does not know: such a type is carried as bytes. */
function readTensorType(c: Cursor): TensorType | undefined {
  let code = 0;
  let dims: Dim[] | undefined;
  while (nextField(c)) {
    if (c.field === TENSOR_TYPE.dtype) code = readInt(c);
    else if (c.field === TENSOR_TYPE.shape) dims = readMessage(c, () => readShape(c));
    else skip(c);
  }
  const dtype = dtypeOf(code);
  return dtype && { kind: 'tensor', dtype, ...(dims && { dims }) };
}

function readShape(c: Cursor): Dim[] {
  const dims: Dim[] = [];
  while (nextField(c)) {
    if (c.field === SHAPE.dim) dims.push(readMessage(c, () => readDim(c)));
    else skip(c);
  }
  return dims;
}

function readDim(c: Cursor): Dim {
  let dim: Dim = null;
  while (nextField(c)) {
    // Exporters write -1 and '' for "unknown"; ONNX Runtime reads them so.
    if (c.field === DIM.value) {
      const value = readInt(c);
      dim = value >= 0 ? value : null;
    } else if (c.field === DIM.symbol) dim = readText(c) || null;
    else skip(c);
  }
  return dim;
}
