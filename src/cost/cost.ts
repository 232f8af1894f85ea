/** What a model costs: parameters, bytes, multiply-accumulates, in total and by layer. Names no op. */

import { isStatic } from '../graph/dim.ts';
import { producers } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { type Lengths, lengthChoices } from '../graph/open-lengths.ts';
import { type Tensor, tensorBytes } from '../graph/tensor.ts';
import { noMacs } from '../ops/answer.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, type Facts, infer, inferBody } from '../ops/infer.ts';
import type { BodyCost, Named, StaticValue } from '../ops/op.ts';
import { neededShare } from './filler.ts';
import { counterFor, parametersOf } from './parameters.ts';

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
  /** The sizes that were counted with, by symbol; the batch is 1. */
  readonly lengths: Lengths;
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
 * Symbolic dimensions count as 1 unless `symbols` says otherwise, or the model only takes other lengths: `lengths` tells them.
 */
export function costOf(model: Model | Graph, symbols: Lengths = {}): ModelCost {
  const graph = 'graph' in model ? model.graph : model;
  const least = { ...symbolsOf(graph), ...symbols };
  const batch = new Set(graph.inputs.map(({ type }) => (type?.kind === 'tensor' ? type.dims?.[0] : undefined)));
  const open = Object.keys(least).filter((symbol) => !batch.has(symbol) && symbols[symbol] === undefined);
  let [best, failure]: [Counted | undefined, unknown] = [undefined, undefined];
  let fitting = 0;
  for (const lengths of lengthChoices(graph, open, LENGTHS)) {
    if (fitting >= LENGTHS.length) break;
    try {
      const counted = count(graph, { ...least, ...lengths });
      fitting += 1;
      if (!best || counted.blurred < best.blurred) best = counted;
      if (open.length === 0 || best.blurred === 0) break;
    } catch (thrown) {
      failure ??= thrown;
    }
  }
  if (!best) throw failure;
  const { layers, unknown, lengths } = best;
  return {
    parameters: parametersOf(graph),
    macs: layers.reduce((n, { macs }) => n + macs, 0),
    weightBytes: initializersOf(graph).reduce((n, weight) => n + tensorBytes(weight), 0),
    layers,
    unknown,
    lengths,
  };
}

/** Lengths of open axes: longer ones where shorter ones are too short for the model (a map that is halved, a spectrum). */
const LENGTHS = [1, 64, 512, 4096];

interface Counted {
  readonly layers: readonly LayerCost[];
  readonly unknown: readonly string[];
  readonly lengths: Lengths;
  /** How many nodes are unknown for want of dimensions, not of a row, and how many values are empty. */
  readonly blurred: number;
}

/** The cost at these sizes. Throws what `infer` throws where the model's shapes do not fit them. */
function count(graph: Graph, sizes: Lengths): Counted {
  const facts = infer(graph, { symbols: sizes, inputs: concreteInputs(graph) });
  const unknown: string[] = [];
  let blurred = 0;
  const note = (node: Node): void => {
    unknown.push(node.name || node.op);
    const row = rowOf(node);
    if (row && row.cost !== 'none') blurred += 1;
  };
  const made = producers(graph);
  const numbersIn = counterFor(graph);
  const constant = (name: string): Tensor | undefined => graph.initializers.get(name);
  const layers = graph.nodes.map((node): LayerCost => {
    const all = macsOf(node, facts, sizes, note);
    if (all === undefined) note(node);
    const macs = all && Math.round(all * neededShare(node, constant, (name) => made.get(name)));
    const weights = [...new Set(node.inputs)].flatMap((name) => {
      const weight = graph.initializers.get(name);
      return weight ? [[name, weight] as const] : [];
    });
    return {
      node: node.name || (node.outputs[0] ?? ''),
      op: node.op,
      macs: macs ?? 0,
      parameters: weights.reduce((n, [name, weight]) => n + numbersIn(name, weight), 0),
      bytes: weights.reduce((n, [, weight]) => n + tensorBytes(weight), 0),
      dims: (facts.get(node.outputs[0] ?? '')?.dims ?? []).map((dim) => (typeof dim === 'number' ? dim : -1)),
    };
  });
  // A map that was halved to nothing, for one, says that the lengths are too short.
  for (const { dims } of facts.values()) if (dims?.includes(0)) blurred += 1;
  return { layers, unknown, lengths: sizes, blurred };
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

/** Multiply-accumulates of a node, undefined where they cannot be told; nodes within it of which that is so are noted. */
function macsOf(node: Node, facts: Facts, symbols: Lengths, note: (node: Node) => void): number | undefined {
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
      const macs = macsOf(inner, within, symbols, note);
      if (macs === undefined) note(inner);
      return sum + (macs ?? 0);
    }, 0);
  };
  const values = { ...bySlot(row.inputs, inputs), ...bySlot(row.outputs, outputs) } as Named<StaticValue>;
  return row.cost(values, attrsOf(row, node), bodyCost).macs;
}
