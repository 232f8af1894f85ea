/** How many numbers weights hold, also where several of them share a byte. */

import { isFloat } from '../graph/dtype.ts';
import type { Graph, Node } from '../graph/model.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, slotAt } from '../ops/infer.ts';

/** The numbers of a weight, by its name; 0 for what is no weight: indices, shapes, strings. */
export type Counter = (name: string, tensor: Tensor) => number;

/** Counts for the weights of this graph and of those within: floats and integers of 8 and 4 bits. */
export function counterFor(graph: Graph): Counter {
  const packed = new Map<string, (size: number) => number>();
  for (const node of nodesIn(graph)) {
    const row = rowOf(node);
    if (!row?.packed) continue;
    const { slot, count } = row.packed;
    const at = node.inputs.findIndex((_, i) => slotAt(row.inputs, i) === slot);
    packed.set(node.inputs[at] ?? '', (size) => count(size, attrsOf(row, node)));
  }
  return (name, { dtype, dims }) => {
    const size = sizeOf(dims);
    if (dtype === 'uint8') return packed.get(name)?.(size) ?? size;
    return isFloat(dtype) || /int[48]$/.test(dtype) ? size : 0;
  };
}

/** Elements of all weights and constants of float or integer type, whatever the graph does with them. */
export function parametersOf(graph: Graph): number {
  const count = counterFor(graph);
  const within = (one: Graph): number =>
    [...one.initializers].reduce((n, [name, tensor]) => n + count(name, tensor), 0) +
    one.nodes.flatMap(graphsOf).reduce((n, inner) => n + within(inner), 0);
  return within(graph);
}

const nodesIn = (graph: Graph): Node[] =>
  graph.nodes.flatMap((node) => [node, ...graphsOf(node).flatMap((inner) => nodesIn(inner))]);

const graphsOf = ({ attrs }: Node): Graph[] =>
  Object.values(attrs).flatMap((attr) => (attr.kind === 'graph' ? [attr.value] : []));
