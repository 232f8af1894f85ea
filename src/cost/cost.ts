/** What a model costs: parameters, bytes, multiply-accumulates, in total and by layer. Names no op. */

import { isStatic } from '../graph/dim.ts';
import { isFloat } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { sizeOf, tensorBytes } from '../graph/tensor.ts';
import { noMacs } from '../ops/answer.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, type Facts, infer } from '../ops/infer.ts';
import type { Named, StaticValue } from '../ops/op.ts';

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
  const facts = infer(graph, { symbols: { ...symbolsOf(graph), ...symbols }, inputs: concreteInputs(graph) });
  const layers: LayerCost[] = [];
  const unknown: string[] = [];
  for (const node of graph.nodes) {
    const macs = macsOf(node, facts);
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
  const trainable = [...graph.initializers.values()].filter(
    ({ dtype }) => isFloat(dtype) || dtype.endsWith('int8') || dtype.endsWith('int4'),
  );
  return {
    parameters: trainable.reduce((n, { dims }) => n + sizeOf(dims), 0),
    macs: layers.reduce((n, { macs }) => n + macs, 0),
    weightBytes: [...graph.initializers.values()].reduce((n, weight) => n + tensorBytes(weight), 0),
    layers,
    unknown,
  };
}

/** Unknown (unnamed) dimensions of inputs counted as 1. */
const concreteInputs = (graph: Graph): Record<string, (number | string)[]> =>
  Object.fromEntries(
    graph.inputs.flatMap((info) =>
      info.type?.kind === 'tensor' && info.type.dims?.includes(null)
        ? [[info.name, info.type.dims.map((dim) => dim ?? 1)]]
        : [],
    ),
  );

function macsOf(node: Graph['nodes'][number], facts: Facts): number | undefined {
  const row = rowOf(node);
  if (!row || row.cost === 'none') return undefined;
  if (row.cost === noMacs) return 0; // whatever its shapes
  if (node.inputs.some((name) => name !== '' && !facts.has(name))) return undefined;
  const inputs = node.inputs.map((name) => (name === '' ? undefined : facts.get(name)));
  const outputs = node.outputs.map((name) => (name === '' ? undefined : facts.get(name)));
  if (
    outputs[0] === undefined ||
    ![...inputs, ...outputs].every((value) => value === undefined || isStatic(value.dims))
  )
    return undefined;
  return row.cost(
    { ...bySlot(row.inputs, inputs), ...bySlot(row.outputs, outputs) } as Named<StaticValue>,
    attrsOf(row, node),
  ).macs;
}
