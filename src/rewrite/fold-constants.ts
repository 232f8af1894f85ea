/** Constant sub-graphs become initialisers, computed by the engine that the caller brings. */

import { isStatic } from '../graph/dim.ts';
import { byteLength } from '../graph/dtype.ts';
import type { Graph, Model, Node, ValueInfo } from '../graph/model.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { modernize } from '../ops/modern.ts';
import type { Rewritten } from './apply.ts';
import type { Edit } from './net.ts';
import { openNet } from './open-net.ts';
import { called, type Firing } from './rule.ts';

/** Runs a model that has no inputs and gives its outputs by name. */
export type Evaluate = (model: Model) => Promise<Readonly<Record<string, Tensor>>>;

export interface FoldOptions {
  /** Results may be larger than the constants that fall away with them, up to this many bytes each. Default 4,096. */
  maxGrowthBytes?: number;
}

const NAME = 'fold-constants';
/** Nodes whose result is not for keeping: random ones, and integers that the engine wants to see as integers. */
const VARYING = /^(Random|Bernoulli|Multinomial|Dropout|(Dynamic)?QuantizeLinear|DequantizeLinear)/;

const hasGraphs = (node: Node): boolean =>
  Object.values(node.attrs).some(({ kind }) => kind === 'graph' || kind === 'graphs' || kind === 'opaque');

/**
 * The model with every node computed whose inputs are constants.
 *
 * All of them run in one go, as one model without inputs. Quantised weights stay integers; what would make the file
 * grow (ConstantOfShape of a large matrix) stays a node, and the report says so.
 *
 * @example
 * await foldConstants(model, async (part) => {
 *   using session = await engine.load(writeModel(part), { optimize: 'none' });
 *   return await session.run({});
 * });
 */
export async function foldConstants(
  model: Model,
  evaluate: Evaluate,
  { maxGrowthBytes = 4096 }: FoldOptions = {},
): Promise<Rewritten> {
  const modern = modernize(model);
  const edit = openNet(modern.graph, modern.opsets[''] ?? 0);
  const missed: Firing[] = [];
  const note = (node: Node, why: string): Firing => ({ rule: NAME, node: called(node), why });
  const constantBytes = new Map<string, number>();
  const nodes: Node[] = [];
  const fixed = fixedNodes(edit);
  /** Bytes that go with the node; those of a constant that others read too (a tied weight) stay. */
  const fallingAway = (name: string): number | undefined => {
    const tensor = edit.constant(name);
    if (!tensor) return constantBytes.get(name);
    return edit.readers(name).every((reader) => fixed.has(reader)) ? byteLength(tensor.dtype, sizeOf(tensor.dims)) : 0;
  };
  for (const node of fixed) {
    const inputs = node.inputs.filter(Boolean).map(fallingAway);
    if (inputs.includes(undefined)) continue;
    const before = inputs.reduce<number>((sum, bytes) => sum + bytes!, 0);
    const after = node.outputs.map((name) => bytesOf(name, edit));
    const growing = after.find((bytes) => bytes > Math.max(before, maxGrowthBytes));
    if (growing !== undefined) {
      missed.push(note(node, `its result takes ${growing} bytes, the constants that fall away ${before}`));
      continue;
    }
    for (const [i, name] of node.outputs.entries()) constantBytes.set(name, after[i]!);
    nodes.push(node);
  }
  const isPart = new Set(nodes);
  const wanted = nodes.flatMap(({ outputs }) =>
    outputs.filter((name) => name && edit.readers(name).some((reader) => !isPart.has(reader))),
  );
  if (wanted.length === 0) return { model: modern, report: { fired: [], missed } };

  const results = await evaluate({ ...modern, graph: partOf(modern.graph, nodes, wanted, edit) });
  const fired: Firing[] = [];
  for (const node of nodes) {
    const name = node.outputs.find((output) => wanted.includes(output));
    const result = name === undefined ? undefined : results[name];
    if (!name || !result || edit.maker(name) !== node) continue;
    if (node.outputs.filter(Boolean).length > 1) missed.push(note(node, 'it has several outputs'));
    else {
      edit.settle(node, result);
      fired.push(note(node, `${result.dtype} [${result.dims.join(', ')}]`));
    }
  }
  return { model: { ...modern, graph: edit.finish() }, report: { fired, missed } };
}

/** The nodes that read constants and each other alone, in order. */
function fixedNodes(edit: Edit): Set<Node> {
  const fixed = new Set<Node>();
  const isKnown = (name: string): boolean => {
    const maker = edit.maker(name);
    return name === '' || edit.constant(name) !== undefined || (maker !== undefined && fixed.has(maker));
  };
  for (const node of edit.nodes()) {
    if (node.op === 'Constant' || VARYING.test(node.op) || hasGraphs(node)) continue;
    if (node.inputs.every(isKnown) && !node.outputs.some((name) => edit.isOutput(name))) fixed.add(node);
  }
  return fixed;
}

/** Bytes of a value; 0 where its size is not known ahead. */
function bytesOf(name: string, edit: Edit): number {
  const fact = name ? edit.fact(name) : undefined;
  return fact && isStatic(fact.dims) && fact.dtype !== 'string' ? byteLength(fact.dtype, sizeOf(fact.dims)) : 0;
}

/** The constant nodes as a graph of their own. */
function partOf(graph: Graph, nodes: readonly Node[], wanted: readonly string[], edit: Edit): Graph {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const initializers = new Map<string, Tensor>();
  for (const name of read) {
    const tensor = edit.constant(name);
    if (tensor) initializers.set(name, tensor);
  }
  const outputs = wanted.map((name): ValueInfo => {
    const fact = edit.fact(name);
    return fact ? { name, type: { kind: 'tensor', dtype: fact.dtype } } : { name };
  });
  return { name: `${graph.name}_constants`, nodes, inputs: [], outputs, initializers, values: new Map() };
}
