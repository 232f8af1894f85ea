/** The same model in float32 where a file computes or stores 16-bit floats: the form in which it learns. */

import { type DType, dtypeOf, factsOf } from '../graph/dtype.ts';
import type { Attr, Graph, Model, Node, ValueInfo } from '../graph/model.ts';
import { float32, numbers, type Tensor } from '../graph/tensor.ts';

const NARROW: ReadonlySet<DType> = new Set<DType>(['float16', 'bfloat16']);

/** A tensor of 16-bit floats as float32; any other as it is. */
export const widened = (t: Tensor): Tensor => (NARROW.has(t.dtype) ? float32(t.dims, numbers(t)) : t);

/** The model with float32 for every 16-bit float: weights, inputs, outputs, casts. As it is where there is none. */
export function widen(model: Model): Model {
  const graph = widenGraph(model.graph);
  return graph === model.graph ? model : { ...model, graph };
}

/** As `widen`, for a graph. */
export function widenGraph(graph: Graph): Graph {
  const inputs = graph.inputs.map(widenInfo);
  const outputs = graph.outputs.map(widenInfo);
  const values = new Map([...graph.values].map(([name, info]) => [name, widenInfo(info)]));
  const initializers = new Map([...graph.initializers].map(([name, t]) => [name, widened(t)]));
  const nodes = graph.nodes.map(widenNode);
  const isSame =
    inputs.every((info, i) => info === graph.inputs[i]) &&
    outputs.every((info, i) => info === graph.outputs[i]) &&
    [...initializers].every(([name, t]) => t === graph.initializers.get(name)) &&
    nodes.every((node, i) => node === graph.nodes[i]);
  return isSame ? graph : { ...graph, inputs, outputs, values, initializers, nodes };
}

function widenInfo(info: ValueInfo): ValueInfo {
  if (info.type?.kind !== 'tensor' || !NARROW.has(info.type.dtype)) return info;
  return { ...info, type: { ...info.type, dtype: 'float32' } };
}

function widenNode(node: Node): Node {
  const changed = Object.entries(node.attrs).flatMap(([key, attr]): [string, Attr][] => {
    const now = widenAttr(key, attr);
    return now === attr ? [] : [[key, now]];
  });
  return changed.length === 0 ? node : { ...node, attrs: { ...node.attrs, ...Object.fromEntries(changed) } };
}

/** Attributes that name an element type by its code. */
const CODES = new Set(['to', 'dtype', 'output_dtype']);

function widenAttr(key: string, attr: Attr): Attr {
  if (attr.kind === 'tensor' && NARROW.has(attr.value.dtype)) return { kind: 'tensor', value: widened(attr.value) };
  if (attr.kind === 'int' && CODES.has(key) && NARROW.has(dtypeOf(attr.value) ?? 'float32')) {
    return { kind: 'int', value: factsOf('float32').code };
  }
  if (attr.kind !== 'graph') return attr;
  const graph = widenGraph(attr.value);
  return graph === attr.value ? attr : { kind: 'graph', value: graph };
}
