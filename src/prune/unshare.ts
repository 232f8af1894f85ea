/** Exporters keep equal vectors once: a bias of zeros that ten layers read would tie their channels. Each reader gets its own. */

import { isFloat } from '../graph/dtype.ts';
import { freshNames, namesOf, renameReads } from '../graph/edit.ts';
import type { Graph } from '../graph/model.ts';

/**
 * The graph with a vector of its own for every node that reads one, and no Identity between a weight and its readers.
 *
 * Matrices that are read twice stay one: an embedding that is also the last layer is meant to be tied.
 */
export function unshared(graph: Graph): Graph {
  const returned = new Set(graph.outputs.map(({ name }) => name));
  const same = new Map<string, string>();
  for (const { op, inputs, outputs } of graph.nodes) {
    const origin = same.get(inputs[0]!) ?? inputs[0]!;
    if (op === 'Identity' && graph.initializers.has(origin) && !returned.has(outputs[0]!))
      same.set(outputs[0]!, origin);
  }
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const fed = new Set(graph.inputs.map(({ name }) => name));
  const read = new Set<string>();
  const nodes = renameReads(
    graph.nodes.filter(({ outputs }) => !same.has(outputs[0]!)),
    same,
  ).map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => {
      const value = graph.initializers.get(name);
      if (!value || !isFloat(value.dtype) || value.dims.filter((dim) => dim > 1).length !== 1 || fed.has(name))
        return name;
      if (!read.has(name)) {
        read.add(name);
        return name;
      }
      const own = fresh(name);
      initializers.set(own, value);
      return own;
    }),
  }));
  return { ...graph, nodes, initializers };
}
