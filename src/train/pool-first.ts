/** Relu(x) before MaxPool moves behind it while learning: max Relu = Relu max, on a quarter of the elements, and so are the slopes. */

import { freshNames, namesOf } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';

/**
 * The graph with every MaxPool before the Relu that it alone reads. Values that others read, or that are outputs, stay where they are.
 *
 * Where all elements of a window are below 0 both orders have slope 0; elsewhere the masks are the same.
 */
export function poolFirst(graph: Graph): Graph {
  const readers = new Map<string, number>();
  for (const { inputs } of graph.nodes) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const { name } of graph.outputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  const relus = new Map<string, Node>();
  for (const node of graph.nodes) if (node.op === 'Relu' && node.domain === '') relus.set(node.outputs[0]!, node);
  const swapped = new Map<Node, Node>();
  for (const pool of graph.nodes) {
    if (pool.op !== 'MaxPool' || pool.domain !== '' || pool.outputs[1]) continue;
    const relu = relus.get(pool.inputs[0]!);
    if (relu && readers.get(relu.outputs[0]!) === 1) swapped.set(pool, relu);
  }
  if (swapped.size === 0) return graph;
  const gone = new Set(swapped.values());
  const fresh = freshNames(namesOf(graph));
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (gone.has(node)) return [];
    const relu = swapped.get(node);
    if (!relu) return [node];
    const pooled = fresh(`${node.outputs[0]}_pooled`);
    return [
      { ...node, inputs: relu.inputs, outputs: [pooled] },
      { ...relu, inputs: [pooled], outputs: node.outputs },
    ];
  });
  return { ...graph, nodes };
}
