/** Models on which the engine (version 1.30) would crash the process, and what keeps it from that. */

import type { Model, Node } from '../graph/model.ts';
import { type Tensor, zeros } from '../graph/tensor.ts';
import type { SessionOptions } from './engine.ts';

/**
 * What the engine must leave out for this model: its blocked layout crashes on graphs that convolve and multiply matrices in float16 (others of
 * that family do as well).
 */
export function quirksOf({ graph: { nodes, initializers } }: Model): Readonly<Record<string, string>> {
  const isHalf = (name: string | undefined): boolean => initializers.get(name ?? '')?.dtype === 'float16';
  const has = (op: string): boolean => nodes.some((node) => node.op === op && isHalf(node.inputs[1]));
  return has('Conv') && has('MatMul') ? { 'optimization.disable_specified_optimizers': 'NchwcTransformer' } : {};
}

/** Settings of the caller and of the model; what both leave out is left out. */
export function withQuirks(given: SessionOptions['config'] = {}, quirks: Readonly<Record<string, string>>) {
  const lists = Object.entries(quirks).map(([key, names]) => [key, [given[key], names].filter(Boolean).join(';')]);
  return { ...given, ...Object.fromEntries(lists) };
}

/** The model with zeros where com.microsoft.Attention has no bias, which it reads all the same; the model itself where none is missing. */
export function withBiases(model: Model): Model {
  const initializers = new Map(model.graph.initializers);
  const nodes = model.graph.nodes.map((node) => withBias(node, initializers));
  if (nodes.every((node, i) => node === model.graph.nodes[i])) return model;
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}

function withBias(node: Node, initializers: Map<string, Tensor>): Node {
  if (node.op !== 'Attention' || node.domain !== 'com.microsoft' || node.inputs[2]) return node;
  const weight = initializers.get(node.inputs[1]!);
  if (!weight) return node;
  const name = `no bias of ${node.outputs[0]}`;
  initializers.set(name, zeros(weight.dtype, [weight.dims[1]!]));
  return { ...node, inputs: [...node.inputs.slice(0, 2), name, ...node.inputs.slice(3)] };
}
