/** Recurrent layers that are told to begin at zero, as they do anyway: the state, often shared by all layers, is let go. */

import { producers } from '../graph/edit.ts';
import type { Graph } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { slotAt } from '../ops/infer.ts';

/** Nodes whose output is zero where their first input is. */
const KEEP_ZERO = new Set(['Slice', 'Expand', 'Identity', 'Unsqueeze', 'Squeeze', 'Reshape', 'Transpose', 'Gather', 'Cast', 'Tile']); // biome-ignore format: a table

/** The graph without initial states that are zero at every run. */
export function withoutZeroStates(graph: Graph): Graph {
  const makers = producers(graph);
  const isZero = (name: string): boolean => {
    const constant = graph.initializers.get(name);
    if (constant) return constant.bytes.every((byte) => byte === 0);
    const node = makers.get(name);
    if (!node) return false;
    if (node.op !== 'ConstantOfShape') return KEEP_ZERO.has(node.op) && isZero(node.inputs[0]!);
    const { value } = node.attrs;
    return value === undefined || (value.kind === 'tensor' && value.value.bytes.every((byte) => byte === 0));
  };
  const nodes = graph.nodes.map((node) => {
    const row = rowOf(node);
    if (!row?.inputs.some((slot) => slot.startsWith('initial_'))) return node;
    const inputs = node.inputs.map((name, i) =>
      name !== '' && slotAt(row.inputs, i).startsWith('initial_') && isZero(name) ? '' : name,
    );
    while (inputs.at(-1) === '') inputs.pop();
    return { ...node, inputs };
  });
  return { ...graph, nodes };
}
