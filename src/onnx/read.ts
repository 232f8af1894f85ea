/** Bytes → Model. Weights stay views of the bytes; what Pare does not know is carried along. */

import { PareError } from '../base/error.ts';
import type { Graph, LocalFunction, Model } from '../graph/model.ts';
import { builtin } from './disk.ts';
import { emptyShelf, folderShelf, type ReadExternal, type Shelf, suppliedShelf } from './external.ts';
import { MODEL, OPSET } from './field.ts';
import { readFunction } from './function-read.ts';
import { domainName, readGraph } from './graph-read.ts';
import { remember } from './origin.ts';
import { recent } from './recent.ts';
import { looksLike } from './sniff.ts';
import { type Reading, readEntry } from './tensor-read.ts';
import {
  type Cursor,
  cursor,
  malformed,
  nextField,
  readInt,
  readMessage,
  readRaw,
  readText,
  skip,
} from './wire-read.ts';

export interface ReadOptions {
  /** The file that the bytes are from, for error messages and as the home of external data. */
  readonly file?: string;
  /** Where external data lies; the folder of `file` by default. Node only. */
  readonly folder?: string;
  /** Supplies external data instead of a folder: `length` bytes of `location` from byte `offset`. */
  readonly external?: ReadExternal;
}

/**
 * The model in the bytes of an ONNX file.
 *
 * Weights are views of `bytes` (no copy), so the bytes must not be changed afterwards. Typed data (`float_data` and its
 * kin) is decoded at a tensor's first touch; external data is read from disk when a tensor is touched and kept only
 * while somebody holds it.
 *
 * Throws   onnx/empty for no bytes; onnx/not-onnx naming what they look like; onnx/truncated for a file cut short;
 *          onnx/malformed for a damaged one; onnx/dtype for an element type of a later ONNX;
 *          onnx/external-path for external data outside the model's folder. When a tensor is touched:
 *          onnx/external-missing, onnx/external-truncated, onnx/external-changed, tensor/size.
 * Source   onnx.proto, ONNX 1.22.
 */
export const readModel = (bytes: Uint8Array, options: ReadOptions = {}): Model => readBytes(bytes, options);

/** As readModel; `own` is the name of the model's file when the bytes are its skeleton. */
export function readBytes(bytes: Uint8Array, options: ReadOptions, own?: string): Model {
  const source = options.file ?? 'The model';
  if (bytes.length === 0) {
    throw new PareError('onnx/empty', `${source} is empty.`, {
      where: source,
      expected: 'an ONNX model',
      got: '0 bytes',
    });
  }
  // A Buffer's subarray is a Buffer; plain arrays behave the same everywhere.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return parse(plain, source, {
      shelf: shelfFor(options),
      recent: recent(),
      externals: 0,
      ...(own !== undefined && { own }),
    });
  } catch (cause) {
    const kind =
      cause instanceof PareError && /^onnx\/(malformed|truncated|dtype|no-graph)$/.test(cause.code) && looksLike(plain);
    if (!kind) throw cause;
    throw new PareError('onnx/not-onnx', `${source} is ${kind}, not an ONNX model.`, {
      where: source,
      expected: 'a serialised ModelProto (.onnx)',
      got: kind,
      cause,
    });
  }
}

function shelfFor({ file, folder, external }: ReadOptions): Shelf {
  if (external) return suppliedShelf(external);
  const home = folder ?? (file === undefined ? undefined : builtin('node:path')?.dirname(file));
  return home === undefined ? emptyShelf : folderShelf(home, file);
}

function parse(bytes: Uint8Array, source: string, reading: Reading): Model {
  const c = cursor(bytes, source);
  const opsets: [string, number][] = [];
  const metadata = new Map<string, string>();
  const unknown: Uint8Array[] = [];
  const functions: LocalFunction[] = [];
  let graph: Graph | undefined;
  let [ir, version] = [0, 0];
  let [name, producerVersion, domain, doc] = ['', '', '', ''];
  while (nextField(c)) {
    if (c.field === MODEL.graph) {
      // Protobuf would merge two; no writer makes them, and a reader that sees another graph than ours is a danger.
      if (graph) throw malformed(c, 'it holds two graphs');
      graph = readMessage(c, (message) => readGraph(c, message, reading));
    } else if (c.field === MODEL.ir) ir = readInt(c);
    else if (c.field === MODEL.opset) opsets.push(readMessage(c, () => readOpset(c)));
    else if (c.field === MODEL.producerName) name = readText(c);
    else if (c.field === MODEL.producerVersion) producerVersion = readText(c);
    else if (c.field === MODEL.domain) domain = readText(c);
    else if (c.field === MODEL.version) version = readInt(c);
    else if (c.field === MODEL.doc) doc = readText(c);
    else if (c.field === MODEL.metadata) readEntry(c, metadata);
    else if (c.field === MODEL.function) functions.push(carryFunction(c, reading));
    else unknown.push(readRaw(c));
  }
  if (!graph) throw new PareError('onnx/no-graph', `${source} holds no graph.`, { where: source, expected: 'a graph' });
  const model: Model = {
    ir,
    opsets: Object.fromEntries(opsets),
    graph,
    producer: { name, version: producerVersion },
    metadata: Object.fromEntries(metadata),
    ...(domain && { domain }),
    ...(version !== 0 && { version }),
    ...(doc && { doc }),
    ...(functions.length > 0 && { functions }),
    ...(unknown.length > 0 && { unknown }),
  };
  return reading.externals === 0 ? remember(model, { bytes }) : model;
}

/** The function, which remembers its whole field. */
function carryFunction(c: Cursor, reading: Reading): LocalFunction {
  const from = c.start;
  const made = readMessage(c, () => readFunction(c, reading, readOpset));
  return remember(made, { bytes: c.bytes.subarray(from, c.at) });
}

function readOpset(c: Cursor): [string, number] {
  let domain = '';
  let version = 0;
  while (nextField(c)) {
    if (c.field === OPSET.domain) domain = readText(c);
    else if (c.field === OPSET.version) version = readInt(c);
    else skip(c);
  }
  return [domainName(domain), version];
}
