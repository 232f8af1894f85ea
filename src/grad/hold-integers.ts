/**
 * Integers on the way of a slope are held as floats: each element stays a whole number, and rounding passes its slope straight through.
 *
 *   QuantizeLinear → MaxPool → DequantizeLinear   becomes   RoundToSteps → MaxPool → (x − z) · s
 *
 * It knows where integers begin and end; the rows know what they mean (`rounded`, `held`).
 */

import { factsOf } from '../graph/dtype.ts';
import { readsOf } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import { type Draft, draft } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, type Facts } from '../ops/infer.ts';
import type { Named, StaticValue } from '../ops/op.ts';
import { renamed } from './expand.ts';

interface Holding {
  readonly building: Draft;
  readonly facts: Facts;
  /** Integer value → the floats that hold it. */
  readonly held: Map<string, StaticValue>;
  /** Integer values that a reader wanted as such. */
  readonly stored: Set<string>;
  /** Value of the new graph → the name it takes over. */
  readonly names: Map<string, string>;
}

/** The graph with floats for what becomes of `live` values in integers; as it is where no live value is rounded. */
export function holdIntegers(graph: Graph, facts: Facts, live: ReadonlySet<string>): Graph {
  const isRounding = (node: Node): boolean => rowOf(node)?.rounded !== undefined && live.has(node.inputs[0]!);
  if (!graph.nodes.some(isRounding)) return graph;
  const building = draft({ ...graph, nodes: [] }, facts);
  const holding: Holding = { building, facts, held: new Map(), stored: new Set(), names: new Map() };
  for (const node of graph.nodes) {
    const parts = isRounding(node) ? partsOf(node, 'rounded', holding) : readerOf(node, holding);
    if (parts) settle(node, parts, holding);
    else {
      for (const name of readsOf(node)) store(name, holding);
      building.keep(node);
    }
  }
  for (const { name } of graph.outputs) store(name, holding);
  return renamed(building.finish(), holding.names);
}

/** What stands for a node that reads what is held; undefined for one that reads none of it, or wants the integers themselves. */
const readerOf = (node: Node, holding: Holding): readonly StaticValue[] | undefined =>
  node.inputs.some((name) => holding.held.has(name))
    ? rowOf(node)?.held
      ? partsOf(node, 'held', holding)
      : onFloats(node, holding)
    : undefined;

const given = (node: Node, { held, facts }: Holding) =>
  node.inputs.map((name) => (name === '' ? undefined : (held.get(name) ?? facts.get(name))));

function partsOf(node: Node, answer: 'rounded' | 'held', holding: Holding): readonly StaticValue[] | undefined {
  const row = rowOf(node)!;
  const values = bySlot(row.inputs, given(node, holding)) as Named<StaticValue>;
  return row[answer]!(values, attrsOf(row, node), holding.building.g);
}

/** An op of integers alone, on floats: what moves, picks or compares elements does not mind. */
function onFloats(node: Node, holding: Holding): StaticValue[] | undefined {
  const { held, facts, building } = holding;
  const { g } = building;
  const dtype = facts.get(node.inputs.find((name) => held.has(name))!)?.dtype;
  const isOfIntegers = node.outputs.every((name) => name === '' || facts.get(name)?.dtype === dtype);
  if (typeof rowOf(node)?.grad !== 'function' || !isOfIntegers) return undefined;
  const operands = given(node, holding).map((value) =>
    value?.dtype === dtype ? g.Cast(value, { to: factsOf('float32').code }) : value,
  );
  const attrs = Object.fromEntries(Object.entries(node.attrs).map(([key, { value }]) => [key, value as number]));
  return g.emit(node.op, operands, attrs, { domain: node.domain, outputs: node.outputs.length });
}

/** Parts take over the names of the outputs they stand for; where those are integers, it is remembered what holds them. */
function settle(node: Node, parts: readonly StaticValue[], { building: { g }, facts, held, names }: Holding): void {
  node.outputs.forEach((output, i) => {
    const part = parts[i];
    if (output === '' || !part) return;
    if (part.dtype !== facts.get(output)?.dtype) held.set(output, part);
    else names.set((names.has(part.name) || facts.has(part.name) ? g.Identity(part) : part).name, output);
  });
}

/** The integers themselves, for a reader that wants them. */
function store(name: string, { building, facts, held, stored, names }: Holding): void {
  const floats = held.get(name);
  if (!floats || stored.has(name)) return;
  stored.add(name);
  names.set(building.g.Cast(floats, { to: factsOf(facts.get(name)!.dtype).code }).name, name);
}
