/** ValueInfo → ValueInfoProto. */

import { factsOf } from '../graph/dtype.ts';
import type { ValueInfo, ValueType } from '../graph/model.ts';
import { DIM, ENTRY, SHAPE, TENSOR_TYPE, TYPE, VALUE } from './field.ts';
import { originOf } from './origin.ts';
import type { Sink } from './wire-write.ts';

/** The value's fields, as they were when it is unchanged. */
export function putValue(sink: Sink, value: ValueInfo): void {
  const origin = originOf(value);
  if (origin) {
    sink.copy(origin.bytes);
    return;
  }
  const { type } = value;
  sink.maybeText(VALUE.name, value.name);
  if (type) sink.message(VALUE.type, () => putType(sink, type));
  sink.maybeText(VALUE.doc, value.doc);
  putEntries(sink, VALUE.metadata, value.metadata);
}

/** Metadata, one message a pair. */
export function putEntries(sink: Sink, field: number, entries: Readonly<Record<string, string>> = {}): void {
  for (const [key, value] of Object.entries(entries)) {
    sink.message(field, () => {
      sink.text(ENTRY.key, key);
      sink.text(ENTRY.value, value);
    });
  }
}

function putType(sink: Sink, type: ValueType): void {
  const bytes = type.kind === 'opaque' ? type.bytes : originOf(type)?.bytes;
  if (bytes) {
    sink.copy(bytes);
    return;
  }
  const { dtype, dims } = type as Extract<ValueType, { kind: 'tensor' }>;
  sink.message(TYPE.tensor, () => {
    sink.int(TENSOR_TYPE.dtype, factsOf(dtype).code);
    if (!dims) return;
    sink.message(TENSOR_TYPE.shape, () => {
      for (const dim of dims) {
        sink.message(SHAPE.dim, () => {
          if (typeof dim === 'number') sink.int(DIM.value, dim);
          else if (dim !== null) sink.text(DIM.symbol, dim);
        });
      }
    });
  });
}
