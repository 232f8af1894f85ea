/** Replaces composite nodes by the smaller ops that their rows name. */

import { isStatic } from '../graph/dim.ts';
import { renameReads } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import { type Draft, draft } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, type Facts, infer } from '../ops/infer.ts';
import type { Named, Row, StaticValue, Value } from '../ops/op.ts';

/** Ops of our own that live only between differentiation and the engine: whole while slopes are taken, expanded after. */
export const OWN_DOMAIN = 'pare';

/**
 * The graph with composite nodes expanded. `which` picks them; by default all but those of our own domain.
 * Values keep their names, so outputs and later readers do not notice.
 */
export function expand(
  graph: Graph,
  facts: Facts = infer(graph),
  which: (row: Row) => boolean = ({ domain }) => domain !== OWN_DOMAIN,
): Graph {
  let [before, done] = [graph, expandOnce(graph, facts, which)];
  // Composites may be made of others.
  for (let depth = 1; depth < DEEPEST && done !== before; depth++) {
    if (!done.nodes.some((node) => isComposite(node, which))) break;
    [before, done] = [done, expandOnce(done, infer(done), which)];
  }
  return done;
}

/** Composites within composites, at most. */
const DEEPEST = 4;

function expandOnce(graph: Graph, facts: Facts, which: (row: Row) => boolean): Graph {
  if (!graph.nodes.some((node) => isComposite(node, which))) return graph;
  const building = draft({ ...graph, nodes: [] }, facts);
  const names = new Map<string, string>();
  let isChanged = false;
  for (const node of graph.nodes) {
    const parts = isComposite(node, which) ? partsOf(node, facts, building) : undefined;
    if (!parts) building.keep(node);
    else adopt(node, parts, facts, building, names);
    isChanged ||= parts !== undefined;
  }
  if (!isChanged) return graph;
  return renamed(building.finish(), names);
}

/** The graph with values under other names, wherever they are made and read. */
export function renamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const final = (name: string): string => names.get(name) ?? name;
  const nodes = renameReads(graph.nodes, names).map((node) =>
    node.outputs.some((name) => names.has(name)) ? { ...node, outputs: node.outputs.map(final) } : node,
  );
  return { ...graph, nodes };
}

const isComposite = (node: Node, which: (row: Row) => boolean): boolean => {
  const row = rowOf(node);
  return row?.decompose !== undefined && which(row);
};

function partsOf(node: Node, facts: Facts, { g }: Draft): readonly StaticValue[] | undefined {
  const row = rowOf(node)!;
  const inputs = node.inputs.map((name) => (name === '' ? undefined : facts.get(name)));
  const isKnown = (value: Value): boolean => row.isQuantized || isStatic(value.dims);
  if (!node.inputs.every((name, i) => name === '' || (inputs[i] && isKnown(inputs[i])))) return undefined;
  return row.decompose!(bySlot(row.inputs, inputs) as Named<StaticValue>, attrsOf(row, node), g);
}

/** The parts take over the names of the outputs they stand for; what has a name already gets an Identity. */
function adopt(
  node: Node,
  parts: readonly StaticValue[],
  facts: Facts,
  { g }: Draft,
  names: Map<string, string>,
): void {
  node.outputs.forEach((output, i) => {
    const part = parts[i];
    if (output === '' || !part) return;
    const isTaken = names.has(part.name) || facts.has(part.name) || part.constant !== undefined;
    names.set((isTaken ? g.Identity(part) : part).name, output);
  });
}
