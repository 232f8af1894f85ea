/**
 * Layer by layer, before and after: parameters, MACs and bytes. Names no op.
 *
 * A weight may reach its layer through nodes that compute with constants only (a DequantizeLinear, a Transpose):
 * it counts for the first node that also reads something else.
 */

import { counterFor } from '../cost/parameters.ts';
import type { Graph, Model } from '../graph/model.ts';
import { tensorBytes } from '../graph/tensor.ts';
import { costOfAny } from './measure-models.ts';

export interface LayerSize {
  readonly parameters: number;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  readonly bytes: number;
}

export interface LayerChange {
  readonly name: string;
  readonly op: string;
  /** Absent where the layer is new. */
  readonly before?: LayerSize;
  /** Absent where the layer is gone. */
  readonly after?: LayerSize;
}

type Layers = ReadonlyMap<string, LayerSize & { readonly op: string }>;

/** The layers that hold weights or do arithmetic, in the order of the model. */
export function layersOf(model: Model, dims: Readonly<Record<string, number>> = {}): Layers {
  const { graph } = model;
  const macs = new Map(costOfAny(model, dims).layers.map((layer) => [layer.node, layer.macs]));
  const weights = weightsByNode(graph);
  const layers = new Map<string, LayerSize & { op: string }>();
  for (const node of graph.nodes) {
    const name = node.name || (node.outputs[0] ?? '');
    const own = weights.get(node) ?? { parameters: 0, bytes: 0 };
    const work = macs.get(name) ?? 0;
    if (own.parameters > 0 || work > 0) layers.set(name, { op: node.op, ...own, macs: work });
  }
  return layers;
}

function weightsByNode(graph: Graph): Map<Graph['nodes'][number], { parameters: number; bytes: number }> {
  const behind = new Map<string, ReadonlySet<string>>();
  for (const name of graph.initializers.keys()) behind.set(name, new Set([name]));
  const found = new Map<Graph['nodes'][number], { parameters: number; bytes: number }>();
  const counted = new Set<string>();
  const numbersIn = counterFor(graph);
  for (const node of graph.nodes) {
    const reads = node.inputs.filter((name) => name !== '');
    const sources = new Set(reads.flatMap((name) => [...(behind.get(name) ?? [])]));
    if (reads.length > 0 && reads.every((name) => behind.has(name))) {
      for (const output of node.outputs) behind.set(output, sources);
      continue;
    }
    let [parameters, bytes] = [0, 0];
    for (const name of sources) {
      const weight = graph.initializers.get(name)!;
      const held = numbersIn(name, weight);
      if (counted.has(name) || held === 0) continue;
      counted.add(name); // a weight that two layers share counts once
      parameters += held;
      bytes += tensorBytes(weight);
    }
    if (parameters > 0) found.set(node, { parameters, bytes });
  }
  return found;
}

/** Holds a scale or a bias and does no arithmetic worth counting: what conversions between types look like. */
const isTrifle = ({ macs, parameters }: LayerSize): boolean => macs === 0 && parameters < 16;

/**
 * The layers of both models, paired by name: first those of `before` in its order, then those that are new and no trifle.
 * `dims` are lengths of open axes, by symbol.
 */
export function compareLayers(before: Model, after: Model, dims: Readonly<Record<string, number>> = {}): LayerChange[] {
  const [old, now] = [layersOf(before, dims), layersOf(after, dims)];
  const size = ({ parameters, macs, bytes }: LayerSize): LayerSize => ({ parameters, macs, bytes });
  const changes: LayerChange[] = [];
  for (const [name, layer] of old) {
    const partner = now.get(name);
    changes.push({ name, op: layer.op, before: size(layer), ...(partner && { after: size(partner) }) });
  }
  for (const [name, layer] of now) {
    if (!old.has(name) && !isTrifle(layer)) changes.push({ name, op: layer.op, after: size(layer) });
  }
  return changes;
}
