/** What a model costs: parameters, bytes, multiply-accumulates, in total and by layer. Names no op. */

import { isStatic } from '../graph/dim.ts';
import { isFloat } from '../graph/dtype.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { sizeOf, type Tensor, tensorBytes } from '../graph/tensor.ts';
import { noMacs } from '../ops/answer.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, type Facts, infer, inferBody } from '../ops/infer.ts';
import type { BodyCost, Named, StaticValue } from '../ops/op.ts';

export interface LayerCost {
  readonly node: string;
  readonly op: string;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  /** Elements of the weights that this node reads. */
  readonly parameters: number;
  /** Bytes of the weights that this node reads. */
  readonly bytes: number;
  readonly dims: readonly number[];
}

export interface ModelCost {
  /** Elements of all weights and constants of float or integer type that some node reads as a weight. */
  readonly parameters: number;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  /** Bytes of all initialisers. */
  readonly weightBytes: number;
  readonly layers: readonly LayerCost[];
  /** Nodes whose cost could not be told: no row, or unknown shapes. */
  readonly unknown: readonly string[];
}

/** Sizes for the symbols of a graph's inputs: batch-like symbols (axis 0) count one sample, all others `other`. */
export function symbolsOf(graph: Graph, batch = 1, other = 1): Record<string, number> {
  const symbols: Record<string, number> = {};
  for (const info of graph.inputs) {
    if (info.type?.kind !== 'tensor') continue;
    info.type.dims?.forEach((dim, axis) => {
      if (typeof dim === 'string') symbols[dim] ??= axis === 0 ? batch : other;
    });
  }
  return symbols;
}

/**
 * Parameters, bytes and multiply-accumulates of one sample.
 *
 * Symbolic dimensions count as 1 unless `symbols` says otherwise.
 */
export function costOf(model: Model | Graph, symbols: Readonly<Record<string, number>> = {}): ModelCost {
  const graph = 'graph' in model ? model.graph : model;
  const sizes = { ...symbolsOf(graph), ...symbols };
  const facts = infer(graph, { symbols: sizes, inputs: concreteInputs(graph) });
  const layers: LayerCost[] = [];
  const unknown: string[] = [];
  for (const node of graph.nodes) {
    const macs = macsOf(node, facts, sizes, unknown);
    if (macs === undefined) unknown.push(node.name || node.op);
    const weights = [...new Set(node.inputs)].flatMap((name) => graph.initializers.get(name) ?? []);
    layers.push({
      node: node.name || (node.outputs[0] ?? ''),
      op: node.op,
      macs: macs ?? 0,
      parameters: weights
        .filter(({ dtype }) => isFloat(dtype) || dtype.endsWith('int8') || dtype.endsWith('int4'))
        .reduce((n, { dims }) => n + sizeOf(dims), 0),
      bytes: weights.reduce((n, weight) => n + tensorBytes(weight), 0),
      dims: (facts.get(node.outputs[0] ?? '')?.dims ?? []).map((dim) => (typeof dim === 'number' ? dim : -1)),
    });
  }
  const stored = initializersOf(graph);
  const trainable = stored.filter(({ dtype }) => isFloat(dtype) || dtype.endsWith('int8') || dtype.endsWith('int4'));
  return {
    parameters: trainable.reduce((n, { dims }) => n + sizeOf(dims), 0),
    macs: layers.reduce((n, { macs }) => n + macs, 0),
    weightBytes: stored.reduce((n, weight) => n + tensorBytes(weight), 0),
    layers,
    unknown,
  };
}

/** Initialisers, those of sub-graphs included. */
const initializersOf = (graph: Graph): Tensor[] => [
  ...graph.initializers.values(),
  ...graph.nodes.flatMap(({ attrs }) =>
    Object.values(attrs).flatMap((attr) => (attr.kind === 'graph' ? initializersOf(attr.value) : [])),
  ),
];

/** Unknown (unnamed) dimensions of inputs counted as 1. */
const concreteInputs = (graph: Graph): Record<string, (number | string)[]> =>
  Object.fromEntries(
    graph.inputs.flatMap((info) =>
      info.type?.kind === 'tensor' && info.type.dims?.includes(null)
        ? [[info.name, info.type.dims.map((dim) => dim ?? 1)]]
        : [],
    ),
  );

/** Multiply-accumulates of a node, undefined where they cannot be told; nodes within it of which that is so go to `unknown`. */
function macsOf(
  node: Node,
  facts: Facts,
  symbols: Readonly<Record<string, number>>,
  unknown: string[],
): number | undefined {
  const row = rowOf(node);
  if (!row || row.cost === 'none') return undefined;
  if (row.cost === noMacs) return 0; // whatever its shapes
  const inputs = node.inputs.map((name) => (name === '' ? undefined : facts.get(name)));
  const outputs = node.outputs.map((name) => (name === '' ? undefined : facts.get(name)));
  const hasBody = Object.values(row.attrs).some(({ kind }) => kind === 'graph');
  const isRead = inputs.every((value, i) => (value ? isStatic(value.dims) : node.inputs[i] === ''));
  const isMade = outputs[0] !== undefined && outputs.every((value) => value === undefined || isStatic(value.dims));
  if (!hasBody && !(isRead && isMade)) return undefined;
  const bodyCost: BodyCost = (graph, given) => {
    const within = inferBody(graph, facts, given, symbols);
    return graph.nodes.reduce((sum, inner) => {
      const macs = macsOf(inner, within, symbols, unknown);
      if (macs === undefined) unknown.push(inner.name || inner.op);
      return sum + (macs ?? 0);
    }, 0);
  };
  const values = { ...bySlot(row.inputs, inputs), ...bySlot(row.outputs, outputs) } as Named<StaticValue>;
  return row.cost(values, attrsOf(row, node), bodyCost).macs;
}
