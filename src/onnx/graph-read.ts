/** GraphProto, NodeProto and AttributeProto → Graph, Node and Attr. */

import type { Attr, Graph, Node, ValueInfo } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { ATTR, ATTR_TYPE, GRAPH, NODE } from './field.ts';
import { remember } from './origin.ts';
import { readSparse } from './sparse-read.ts';
import { type Reading, readEntry, readTensor } from './tensor-read.ts';
import { readValue } from './value-read.ts';
import {
  type Cursor,
  nextField,
  readFloat,
  readFloats,
  readInt,
  readInts,
  readMessage,
  readRaw,
  readText,
  skip,
} from './wire-read.ts';

/**
 * Remembers the bytes of a value, unless it holds a tensor whose elements lie elsewhere: its bytes say where the data
 * was, which need not be where the data will be.
 */
const keep = <T extends object>(value: T, bytes: Uint8Array, reading: Reading, before: number, name?: string): T =>
  reading.externals === before ? remember(value, { bytes, ...(name !== undefined && { name }) }) : value;

/** The domain's one spelling: ai.onnx is the empty string. */
export const domainName = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** Reads the GraphProto that the cursor has gone into. */
export function readGraph(c: Cursor, message: Uint8Array, reading: Reading): Graph {
  const before = reading.externals;
  const nodes: Node[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const initializers = new Map<string, Tensor>();
  const values = new Map<string, ValueInfo>();
  const metadata = new Map<string, string>();
  const unknown: Uint8Array[] = [];
  let name = '';
  let doc = '';
  const value = (): ValueInfo => readMessage(c, (bytes) => readValue(c, bytes));
  while (nextField(c)) {
    if (c.field === GRAPH.node) nodes.push(readMessage(c, (bytes) => readNode(c, bytes, reading)));
    else if (c.field === GRAPH.initializer) {
      const read = readMessage(c, (bytes) => readTensor(c, bytes, reading));
      initializers.set(read.name, read.tensor);
    } else if (c.field === GRAPH.sparse) {
      const read = readMessage(c, (bytes) => readSparse(c, bytes, reading));
      initializers.set(read.name, read.tensor);
    } else if (c.field === GRAPH.input) inputs.push(value());
    else if (c.field === GRAPH.output) outputs.push(value());
    else if (c.field === GRAPH.value) {
      const info = value();
      values.set(info.name, info);
    } else if (c.field === GRAPH.name) name = readText(c);
    else if (c.field === GRAPH.doc) doc = readText(c);
    else if (c.field === GRAPH.metadata) readEntry(c, metadata);
    else unknown.push(readRaw(c));
  }
  const graph: Graph = {
    name,
    nodes,
    inputs,
    outputs,
    initializers,
    values,
    ...(doc && { doc }),
    ...(metadata.size > 0 && { metadata: Object.fromEntries(metadata) }),
    ...(unknown.length > 0 && { unknown }),
  };
  return keep(graph, message, reading, before);
}

export function readNode(c: Cursor, message: Uint8Array, reading: Reading): Node {
  const before = reading.externals;
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attrs: [string, Attr][] = [];
  const metadata = new Map<string, string>();
  const unknown: Uint8Array[] = [];
  let [name, op, domain, overload, doc] = ['', '', '', '', ''];
  while (nextField(c)) {
    if (c.field === NODE.input) inputs.push(readText(c));
    else if (c.field === NODE.output) outputs.push(readText(c));
    else if (c.field === NODE.attr) attrs.push(readMessage(c, (bytes) => readAttr(c, bytes, reading)));
    else if (c.field === NODE.name) name = readText(c);
    else if (c.field === NODE.op) op = readText(c);
    else if (c.field === NODE.domain) domain = domainName(readText(c));
    else if (c.field === NODE.overload) overload = readText(c);
    else if (c.field === NODE.doc) doc = readText(c);
    else if (c.field === NODE.metadata) readEntry(c, metadata);
    else unknown.push(readRaw(c));
  }
  const node: Node = {
    op,
    domain,
    name,
    inputs,
    outputs,
    attrs: Object.fromEntries(attrs),
    ...(overload && { overload }),
    ...(doc && { doc }),
    ...(metadata.size > 0 && { metadata: Object.fromEntries(metadata) }),
    ...(unknown.length > 0 && { unknown }),
  };
  return keep(node, message, reading, before);
}

/** The fields of an AttributeProto as they come, before its type says which of them counts. */
interface AttrFields {
  f?: number;
  i?: number;
  s?: string;
  t?: Tensor;
  g?: Graph;
  floats: number[];
  ints: number[];
  strings: string[];
  graphs: Graph[];
}

export function readAttr(c: Cursor, message: Uint8Array, reading: Reading): [string, Attr] {
  const before = reading.externals;
  const fields: AttrFields = { floats: [], ints: [], strings: [], graphs: [] };
  let name = '';
  let type = 0;
  let reference: string | undefined;
  while (nextField(c)) {
    if (c.field === ATTR.name) name = readText(c);
    else if (c.field === ATTR.type) type = readInt(c);
    else if (c.field === ATTR.f) fields.f = readFloat(c);
    else if (c.field === ATTR.i) fields.i = readInt(c);
    else if (c.field === ATTR.s) fields.s = readText(c);
    else if (c.field === ATTR.t) fields.t = readMessage(c, (bytes) => readTensor(c, bytes, reading).tensor);
    else if (c.field === ATTR.g) fields.g = readMessage(c, (bytes) => readGraph(c, bytes, reading));
    else if (c.field === ATTR.floats) readFloats(c, fields.floats);
    else if (c.field === ATTR.ints) readInts(c, fields.ints);
    else if (c.field === ATTR.strings) fields.strings.push(readText(c));
    else if (c.field === ATTR.graphs) fields.graphs.push(readMessage(c, (bytes) => readGraph(c, bytes, reading)));
    // A reference to a function's attribute has no value of its own, whatever its type.
    else if (c.field === ATTR.reference) reference = readText(c);
    else skip(c);
  }
  const attr =
    (reference === undefined ? typedAttr(type || guessType(fields), fields) : undefined) ??
    ({ kind: 'opaque', value: message, ...(reference !== undefined && { reference }) } as const);
  return [name, keep(attr, message, reading, before, name)];
}

/** IR version 1 left the type out: the field that is there says it. */
const guessType = ({ f, i, s, t, g, floats, ints, strings, graphs }: AttrFields): number => {
  if (f !== undefined) return ATTR_TYPE.float;
  if (i !== undefined) return ATTR_TYPE.int;
  if (s !== undefined) return ATTR_TYPE.string;
  if (t) return ATTR_TYPE.tensor;
  if (g) return ATTR_TYPE.graph;
  if (floats.length > 0) return ATTR_TYPE.floats;
  if (ints.length > 0) return ATTR_TYPE.ints;
  if (strings.length > 0) return ATTR_TYPE.strings;
  return graphs.length > 0 ? ATTR_TYPE.graphs : 0;
};

/** The attribute of this type, or undefined for types that are carried as bytes. */
const typedAttr = (type: number, fields: AttrFields): Attr | undefined => {
  const { f = 0, i = 0, s = '', t, g, floats, ints, strings, graphs } = fields;
  if (type === ATTR_TYPE.float) return { kind: 'float', value: f };
  if (type === ATTR_TYPE.int) return { kind: 'int', value: i };
  if (type === ATTR_TYPE.string) return { kind: 'string', value: s };
  if (type === ATTR_TYPE.tensor) return t && { kind: 'tensor', value: t };
  if (type === ATTR_TYPE.graph) return g && { kind: 'graph', value: g };
  if (type === ATTR_TYPE.floats) return { kind: 'floats', value: floats };
  if (type === ATTR_TYPE.ints) return { kind: 'ints', value: ints };
  if (type === ATTR_TYPE.strings) return { kind: 'strings', value: strings };
  return type === ATTR_TYPE.graphs ? { kind: 'graphs', value: graphs } : undefined;
};
