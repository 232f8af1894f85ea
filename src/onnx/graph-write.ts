/** Graph, Node and Attr → their protos: unchanged ones as the bytes they came from. */

import type { Attr, Graph, Node } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { ATTR, ATTR_TYPE, GRAPH, NODE } from './field.ts';
import { originOf } from './origin.ts';
import { putTensor, type Saving } from './tensor-write.ts';
import { putEntries, putValue } from './value-write.ts';
import type { Sink } from './wire-write.ts';

/** The bytes to copy, if any. What holds graphs is opened while weights move out: they may lie in there. */
const copyable = (value: object, saving: Saving, holdsGraphs: boolean): Uint8Array | undefined =>
  holdsGraphs && saving.placed.size > 0 ? undefined : originOf(value)?.bytes;

/** The graph's fields. Node names that occur twice get a number: ONNX Runtime refuses them. */
export function putGraph(sink: Sink, graph: Graph, saving: Saving): void {
  const bytes = copyable(graph, saving, true);
  if (bytes) {
    sink.copy(bytes);
    return;
  }
  const names = uniqueNames(graph.nodes);
  graph.nodes.forEach((node, i) => {
    const name = names[i]!;
    sink.message(GRAPH.node, () => putNode(sink, name === node.name ? node : { ...node, name }, saving));
  });
  sink.maybeText(GRAPH.name, graph.name);
  for (const [name, tensor] of graph.initializers) {
    const sparse = saving.placed.has(tensor) ? undefined : sparseOrigin(name, tensor);
    if (sparse) sink.message(GRAPH.sparse, () => sink.copy(sparse));
    else sink.message(GRAPH.initializer, () => putTensor(sink, name, tensor, saving));
  }
  sink.maybeText(GRAPH.doc, graph.doc);
  for (const value of graph.inputs) sink.message(GRAPH.input, () => putValue(sink, value));
  for (const value of graph.outputs) sink.message(GRAPH.output, () => putValue(sink, value));
  for (const value of graph.values.values()) sink.message(GRAPH.value, () => putValue(sink, value));
  putEntries(sink, GRAPH.metadata, graph.metadata);
  for (const field of graph.unknown ?? []) sink.copy(field);
}

/** The bytes of a weight that was read as a sparse one and is still the same, under its own name. */
function sparseOrigin(name: string, tensor: Tensor): Uint8Array | undefined {
  const origin = originOf(tensor);
  return origin?.isSparse && origin.name === name ? origin.bytes : undefined;
}

/** Each node's name; of those that share one, all but the first get the next free number behind it. */
function uniqueNames(nodes: readonly Node[]): string[] {
  const all = new Set(nodes.map(({ name }) => name));
  const used = new Set<string>();
  const next = new Map<string, number>();
  return nodes.map(({ name }) => {
    let unique = name;
    while (unique !== '' && used.has(unique)) {
      const number = next.get(name) ?? 1;
      next.set(name, number + 1);
      if (!all.has(`${name}_${number}`)) unique = `${name}_${number}`;
    }
    used.add(unique);
    return unique;
  });
}

const holdsGraphs = (attr: Attr): boolean => attr.kind === 'graph' || attr.kind === 'graphs';

function putNode(sink: Sink, node: Node, saving: Saving): void {
  const bytes = copyable(node, saving, saving.placed.size > 0 && Object.values(node.attrs).some(holdsGraphs));
  if (bytes) {
    sink.copy(bytes);
    return;
  }
  for (const name of node.inputs) sink.text(NODE.input, name);
  for (const name of node.outputs) sink.text(NODE.output, name);
  sink.maybeText(NODE.name, node.name);
  sink.text(NODE.op, node.op);
  for (const [name, attr] of Object.entries(node.attrs)) {
    sink.message(NODE.attr, () => putAttr(sink, name, attr, saving));
  }
  sink.maybeText(NODE.doc, node.doc);
  sink.maybeText(NODE.domain, node.domain);
  sink.maybeText(NODE.overload, node.overload);
  putEntries(sink, NODE.metadata, node.metadata);
  for (const field of node.unknown ?? []) sink.copy(field);
}

function putAttr(sink: Sink, name: string, attr: Attr, saving: Saving): void {
  const bytes = copyable(attr, saving, holdsGraphs(attr)) ?? (attr.kind === 'opaque' ? attr.value : undefined);
  if (bytes) {
    if (originOf(attr)?.name === name) sink.copy(bytes);
    else sink.renamed(bytes, ATTR.name, name);
    return;
  }
  if (attr.kind === 'opaque') return;
  sink.text(ATTR.name, name);
  putAttrValue(sink, attr, saving);
  sink.int(ATTR.type, ATTR_TYPE[attr.kind]);
}

function putAttrValue(sink: Sink, attr: Exclude<Attr, { kind: 'opaque' }>, saving: Saving): void {
  const { kind, value } = attr;
  if (kind === 'float') sink.float(ATTR.f, value);
  else if (kind === 'int') sink.int(ATTR.i, value);
  else if (kind === 'string') sink.text(ATTR.s, value);
  else if (kind === 'tensor') {
    // Engines read no data files for attributes.
    const inside = { ...saving, mayShare: () => false };
    sink.message(ATTR.t, () => putTensor(sink, originOf(value)?.name ?? '', value, inside));
  } else if (kind === 'graph') sink.message(ATTR.g, () => putGraph(sink, value, saving));
  else if (kind === 'floats') for (const number of value) sink.float(ATTR.floats, number);
  else if (kind === 'ints') sink.ints(ATTR.ints, value);
  else if (kind === 'strings') for (const text of value) sink.text(ATTR.strings, text);
  else for (const graph of value) sink.message(ATTR.graphs, () => putGraph(sink, graph, saving));
}
