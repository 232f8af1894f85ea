/** Weights that no grid can hold: NaN and infinities. */

import { PareError } from '../base/error.ts';
import type { Graph } from '../graph/model.ts';
import { floats } from '../graph/tensor.ts';
import { type Facts, infer } from '../ops/infer.ts';
import { roleOf } from './role.ts';

/** The values of this weight. Throws quantize/weight where one is not finite. */
export function finite(x: Float32Array, weight: string): Float32Array {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * 0;
  if (sum === 0) return x;
  const at = x.findIndex((value) => !Number.isFinite(value));
  throw new PareError('quantize/weight', `The weight "${weight}" holds ${x[at]}, which no grid has.`, {
    where: weight,
    expected: 'finite numbers',
    got: `${x[at]} at place ${at} of ${x.length}`,
    hint: 'training diverged or the file was damaged; --exclude the node that reads it to keep it as it is',
  });
}

/** Throws quantize/weight for the first layer whose weight is not finite, those excluded by name, output or op aside. */
export function checkLayers(graph: Graph, exclude: readonly string[] = [], facts: Facts = infer(graph)): void {
  for (const node of graph.nodes) {
    const role = roleOf(node, graph, facts);
    if (role.kind !== 'weighted') continue;
    if ([node.name, node.op, node.outputs[0]!].some((label) => exclude.includes(label))) continue;
    const name = node.inputs[role.weight]!;
    finite(floats(graph.initializers.get(name)!), name);
  }
}
