/**
 * Models that were written for batches of one size, at another: `torch.onnx.export` fixes the size unless it is told otherwise.
 *
 * Stated shapes that what is fed comes to follow on their first axis, where samples lie.
 */

import { PareError } from '../base/error.ts';
import { freshNames, namesOf, readsOf } from '../graph/edit.ts';
import { feedsOf, type Graph, type Node } from '../graph/model.ts';
import { int64 } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';

/** Ops whose second input states the dimensions of the result. */
const STATES = new Set(['Reshape', 'Expand']);

/** The graph's nodes and constants for batches of `to` samples instead of `from`; its inputs stay as they are. */
export function rebatched(graph: Graph, from: number, to: number): Graph {
  const facts = infer(graph);
  const fresh = freshNames(namesOf(graph));
  const fed = new Set(feedsOf(graph).map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if (!readsOf(node).some((name) => fed.has(name))) return node;
    for (const name of node.outputs) fed.add(name);
    const stated = STATES.has(node.op) && fed.has(node.inputs[0]!) ? facts.get(node.inputs[1]!)?.ints : undefined;
    const [first, ...rest] = stated ?? [];
    if (typeof first !== 'number' || first <= 0 || first % from !== 0) return node;
    if (!rest.every((dim) => typeof dim === 'number')) return node;
    const shape = fresh(`${node.name || node.outputs[0]}_shape`);
    initializers.set(shape, int64([rest.length + 1], [(first / from) * to, ...(rest as number[])]));
    return { ...node, inputs: [node.inputs[0]!, shape] };
  });
  return { ...graph, nodes, initializers };
}

/** The error for a batch that a model does not take. */
export const madeFor = (name: string, fixed: number, batch: number, cause?: unknown): PareError =>
  new PareError(
    'train/batch',
    `The model${name && `'s input "${name}"`} is made for batches of ${fixed}, not ${batch}.`,
    {
      ...(name && { where: name }),
      hint: `use a batch of ${fixed} and accumulate ${Math.max(2, Math.round(batch / fixed))} of them, or export the model with an open batch`,
      ...(cause !== undefined && { cause }),
    },
  );
