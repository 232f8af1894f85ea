/** A graph as rows to be drawn, and its tensors by size. */

import type { Model } from '../graph/model.ts';
import { infer } from '../ops/infer.ts';
import type { GraphRow, TensorSize } from './search.ts';

/** Nodes that compute from samples, in order: what only unpacks weights is left out. */
export function graphRows({ graph }: Model): GraphRow[] {
  const facts = infer(graph);
  const constant = new Set(graph.initializers.keys());
  const rowAt = new Map<string, number>();
  const rows: GraphRow[] = [];
  for (const { op, name, inputs, outputs } of graph.nodes) {
    const reads = inputs.filter((input) => input !== '');
    if (op === 'Constant' || (reads.length > 0 && reads.every((input) => constant.has(input)))) {
      for (const output of outputs) constant.add(output);
      continue;
    }
    for (const output of outputs) rowAt.set(output, rows.length);
    const dims = facts.get(outputs[0] ?? '')?.dims;
    rows.push({
      name: name || (outputs[0] ?? op),
      op,
      dims: dims ? dims.map((dim) => (typeof dim === 'object' ? '?' : `${dim}`)).join(' × ') : '',
      reads: [...new Set(reads.flatMap((input) => rowAt.get(input) ?? []))],
    });
  }
  return rows;
}

/** All weights and constants. */
export const tensorSizes = ({ graph }: Model): TensorSize[] =>
  [...graph.initializers].map(([name, { dtype, dims, bytes }]) => ({
    name,
    dtype,
    dims: dims.join(' × '),
    bytes: bytes.byteLength,
  }));
