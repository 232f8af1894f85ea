/**
 * Parts of a graph that are reconstructed by themselves: a layer with the activation behind it, or a block between two
 * places that only one value crosses (a residual block, and in a chain a single layer).
 */

import { consumers, readsOf } from '../../graph/edit.ts';
import type { Graph, Node } from '../../graph/model.ts';
import type { Facts } from '../../ops/infer.ts';
import type { Plan } from '../plan.ts';
import type { Layer } from './layer.ts';

export interface Unit {
  /** In the order of the graph. */
  readonly nodes: readonly Node[];
  /** Float values that it reads from outside. */
  readonly inputs: readonly string[];
  readonly output: string;
  readonly layers: readonly Layer[];
}

/** Blocks with more layers than this are taken layer by layer: there is too much to fit at once. */
const MOST_LAYERS = 8;

/** Every layer, with the clamps that its limits replace. */
export function layerUnits(graph: Graph, { dropped }: Plan, layers: readonly Layer[]): Unit[] {
  const readers = consumers(graph);
  return layers.map((layer) => {
    const nodes = [layer.node];
    let output = layer.output;
    for (let next = only(readers.get(output)); next && dropped.has(next); next = only(readers.get(output))) {
      nodes.push(next);
      output = next.outputs[0]!;
    }
    return { nodes, inputs: [layer.input], output, layers: [layer] };
  });
}

/** The blocks, in order; what holds no layer belongs to the block behind it. */
export function blockUnits(graph: Graph, facts: Facts, plan: Plan, layers: readonly Layer[]): Unit[] {
  const byNode = new Map(layers.map((layer) => [layer.node, layer]));
  const units: Unit[] = [];
  let from = 0;
  for (const end of cutsOf(graph, facts, plan)) {
    const nodes = graph.nodes.slice(from, end);
    const own = nodes.flatMap((node) => byNode.get(node) ?? []);
    if (own.length === 0) continue;
    from = end;
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const isOutside = (name: string): boolean => name !== '' && !made.has(name) && !graph.initializers.has(name);
    const inputs = [...new Set(nodes.flatMap(readsOf).filter(isOutside))];
    // Floats alone are recorded: what reads shapes or words from outside is no block of its own.
    const isAlone = inputs.every((name) => facts.get(name)?.dtype === 'float32');
    if (own.length > MOST_LAYERS || !isAlone) units.push(...layerUnits(graph, plan, own));
    else units.push({ nodes, inputs, output: outputOf(graph, nodes, end), layers: own });
  }
  return units;
}

/** Numbers of nodes before which only one float value is alive, and no clamp stands between it and its quantised form. */
function cutsOf(graph: Graph, facts: Facts, { dropped }: Plan): number[] {
  const last = new Map<string, number>();
  graph.nodes.forEach((node, i) => {
    for (const name of node.inputs) last.set(name, i);
  });
  for (const { name } of graph.outputs) last.set(name, graph.nodes.length);
  const readers = consumers(graph);
  const alive = new Set<string>();
  const cuts: number[] = [];
  graph.nodes.forEach((node, i) => {
    for (const name of node.outputs) if ((last.get(name) ?? -1) > i) alive.add(name);
    for (const name of node.inputs) if (last.get(name) === i) alive.delete(name);
    const [one, ...more] = alive;
    if (one === undefined || more.length > 0 || facts.get(one)?.dtype !== 'float32') return;
    if ((readers.get(one) ?? []).some((reader) => dropped.has(reader))) return;
    cuts.push(i + 1);
  });
  return cuts;
}

const outputOf = (graph: Graph, nodes: readonly Node[], end: number): string => {
  const later = new Set([
    ...graph.nodes.slice(end).flatMap(({ inputs }) => inputs),
    ...graph.outputs.map(({ name }) => name),
  ]);
  return nodes.flatMap(({ outputs }) => outputs).find((name) => later.has(name))!;
};

const only = (readers: readonly Node[] | undefined): Node | undefined =>
  readers?.length === 1 ? readers[0] : undefined;
