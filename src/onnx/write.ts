/** Model → bytes, in one allocation. */

import type { Model } from '../graph/model.ts';
import { MODEL, OPSET } from './field.ts';
import { putGraph } from './graph-write.ts';
import { originOf } from './origin.ts';
import { INSIDE, type Saving } from './tensor-write.ts';
import { putEntries } from './value-write.ts';
import { encode, encodePieces, measure, type Sink } from './wire-write.ts';

/**
 * The bytes of an ONNX file that holds everything, weights included.
 *
 * A model, graph, node, attribute, value or tensor that is still the object it was read as comes out byte for byte as it
 * was; what was made or changed is written in the order of onnx.proto, tensors as little-endian raw data. External
 * weights are read and written inside. The same model gives the same bytes.
 *
 * Throws   onnx/too-large above 2 GB (use writeModelFile); tensor/size when a tensor's bytes do not fit its dimensions;
 *          what reading external data throws.
 */
export const writeModel = (model: Model): Uint8Array<ArrayBuffer> => encode((sink) => putModel(sink, model, INSIDE));

/** The bytes of writeModel piece by piece, above 2 GB too: for digests and compressed sizes. */
export const modelPieces = (model: Model): Iterable<Uint8Array> =>
  encodePieces((sink) => putModel(sink, model, INSIDE));

/** Bytes that writeModel would give, above 2 GB too; nothing is written or read from disk. */
export const modelBytes = (model: Model): number => measure((sink) => putModel(sink, model, INSIDE));

/** The fields of a ModelProto. */
export function putModel(sink: Sink, model: Model, saving: Saving): void {
  const origin = saving.placed.size > 0 ? undefined : originOf(model);
  if (origin) {
    sink.copy(origin.bytes);
    return;
  }
  sink.int(MODEL.ir, model.ir);
  sink.maybeText(MODEL.producerName, model.producer.name);
  sink.maybeText(MODEL.producerVersion, model.producer.version);
  sink.maybeText(MODEL.domain, model.domain);
  if (model.version) sink.int(MODEL.version, model.version);
  sink.maybeText(MODEL.doc, model.doc);
  sink.message(MODEL.graph, () => putGraph(sink, model.graph, saving));
  for (const [domain, version] of Object.entries(model.opsets)) {
    sink.message(MODEL.opset, () => {
      // Written even when empty: a message without a domain and one with '' mean the same, and readers differ.
      sink.text(OPSET.domain, domain);
      sink.int(OPSET.version, version);
    });
  }
  putEntries(sink, MODEL.metadata, model.metadata);
  for (const field of model.unknown ?? []) sink.copy(field);
  for (const one of model.functions ?? []) sink.copy(originOf(one)?.bytes ?? new Uint8Array(0));
}
