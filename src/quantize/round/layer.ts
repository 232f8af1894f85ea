/** The layers of a plan whose weights a rounding may choose. */

import type { Node } from '../../graph/model.ts';
import { floats } from '../../graph/tensor.ts';
import type { Calibrated, WriteOptions } from '../calibrated.ts';
import { bitsOf, needsGuard, safeLimit } from '../layer-bits.ts';
import { planOf } from '../plan.ts';
import type { Role } from '../role.ts';

export interface Layer {
  readonly node: Node;
  readonly role: Extract<Role, { kind: 'weighted' }>;
  /** Names of what it reads, its weight and what it gives. */
  readonly input: string;
  readonly weight: string;
  readonly output: string;
  readonly dims: readonly number[];
  readonly w: Float32Array;
  /** Bits of its weights. */
  readonly bits: number;
  /** The largest integer among them. */
  readonly limit: number;
}

/** In the order of the graph; weights that several nodes read are left out. */
export function layersOf({ model: { graph }, facts }: Calibrated, options: WriteOptions): Layer[] {
  const { kernels } = planOf(graph, facts, options);
  const readers = new Map<string, number>();
  for (const { inputs } of graph.nodes) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  return graph.nodes.flatMap((node) => {
    const role = kernels.get(node);
    if (role?.kind !== 'weighted') return [];
    const weight = node.inputs[role.weight]!;
    const { dims, ...tensor } = graph.initializers.get(weight)!;
    if (readers.get(weight) !== 1 || (role.product && dims.length > 2)) return [];
    const w = floats({ dims, ...tensor });
    const input = node.inputs[role.input]!;
    const bits = bitsOf(node, options);
    const limit = safeLimit(bits, needsGuard(bits, dims, role.axis, facts.get(input)?.dims, options));
    return [{ node, role, input, weight, output: node.outputs[0]!, dims, w, bits, limit }];
  });
}
