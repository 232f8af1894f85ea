/** Slopes that add up over runs are added by the product that makes them: no memory for the slope alone. */

import { readsOf } from '../../graph/edit.ts';
import type { Graph, Node } from '../../graph/model.ts';

/**
 *   y = A · B,  to = from + y     →     to = A · B + from
 *
 * for the sums [from, to] whose slope is a matrix product (Gemm without C) that nobody else reads.
 */
export function addInProducts(graph: Graph, sums: readonly (readonly [from: string, to: string])[]): Graph {
  const readers = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap(readsOf), ...graph.outputs.map(({ name }) => name)])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const gone = new Set<Node>();
  const changed = new Map<Node, Node>();
  for (const [from, to] of sums) {
    const sum = graph.nodes.find(({ outputs }) => outputs[0] === to);
    const slope = sum?.inputs.find((name) => name !== from);
    const product = graph.nodes.find(({ outputs }) => outputs[0] === slope);
    if (!sum || sum.op !== 'Add' || !product || readers.get(slope!) !== 1) continue;
    if (product.op !== 'Gemm' || product.domain !== '' || product.inputs.length > 2) continue;
    gone.add(sum);
    changed.set(product, { ...product, inputs: [...product.inputs, from], outputs: [to] });
  }
  const nodes = graph.nodes.filter((node) => !gone.has(node)).map((node) => changed.get(node) ?? node);
  return { ...graph, nodes };
}
