/** A network without the rounding between its layers, so that what is left of a difference is a mistake and no flipped step. */

import { renameReads } from '../graph/edit.ts';
import type { Graph } from '../graph/model.ts';

/**
 * Reads past every pair QuantizeLinear → DequantizeLinear of a value that depends on what is fed.
 *
 * Two orders of adding up the same numbers differ in the last bit; behind a rounding that is a whole step, now and then.
 * Weights stay what their integers say.
 */
export function withoutRounding(graph: Graph): Graph {
  const source = new Map<string, string>();
  const read = new Map<string, string>();
  for (const node of graph.nodes) {
    if (node.op === 'QuantizeLinear' && !graph.initializers.has(node.inputs[0]!))
      source.set(node.outputs[0]!, node.inputs[0]!);
    const before = node.op === 'DequantizeLinear' ? source.get(node.inputs[0]!) : undefined;
    if (before !== undefined) read.set(node.outputs[0]!, read.get(before) ?? before);
  }
  if (read.size === 0) return graph;
  const returned = new Set(graph.outputs.map(({ name }) => name));
  const past = new Map([...read].filter(([name]) => !returned.has(name)));
  // A chain of pairs ends at the value before the first.
  const origin = (name: string): string => (past.has(name) ? origin(past.get(name)!) : name);
  return { ...graph, nodes: renameReads(graph.nodes, new Map([...past.keys()].map((name) => [name, origin(name)]))) };
}
