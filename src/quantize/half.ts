/** Weights stored in 16 bits, computed in 32: half the file, the same speed on a CPU (the engine widens them at loading). */

import { factsOf } from '../graph/dtype.ts';
import { freshNames, inGraphs, namesOf } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { floats, fromBrain, fromHalf, sizeOf, type Tensor, tensor, toBrain, toHalf } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import { modernize } from '../ops/modern.ts';
import { constantOf } from '../rewrite/constant-of.ts';
import type { WeightReport } from './dynamic.ts';
import type { Kept } from './plan.ts';
import { parametersOf } from './size.ts';
import { readBy } from './store.ts';

export interface HalfOptions {
  /** Weights that stay float32: their names, or names, first outputs or ops of nodes that read them. */
  exclude?: readonly string[];
  /** Smaller weights stay float32: their conversion costs more than it saves. Default 64 elements. */
  least?: number;
  /** float16 has 11 bits of precision and ends at 65504; bfloat16 has 8 and the range of float32. Default float16. */
  as?: keyof typeof FORMS;
}

interface Form {
  readonly encode: (value: number) => number;
  readonly decode: (bits: number) => number;
  readonly largest: number;
  /** Below this, digits are lost one by one. */
  readonly smallest: number;
}

const FORMS = {
  float16: { encode: toHalf, decode: fromHalf, largest: 65504, smallest: 2 ** -14 },
  bfloat16: { encode: toBrain, decode: fromBrain, largest: (2 - 2 ** -7) * 2 ** 127, smallest: 2 ** -126 },
} as const satisfies Record<string, Form>;

/**
 * Stores float32 weights in 16 bits, each behind a Cast: initialisers and Constant nodes, in branches and loops too. A weight that they cannot hold
 * stays as it is: entries above the largest (65504 for float16), or most of its magnitude below the smallest (2^-14). Graph inputs, outputs and all
 * arithmetic stay float32.
 */
export function toHalfStorage(
  original: Model,
  { exclude = [], least = 64, as = 'float16' }: HalfOptions = {},
): { model: Model; report: WeightReport } {
  const model = modernize(original);
  const fresh = freshNames(namesOf(model.graph));
  const quantized: string[] = [];
  const kept: Kept[] = [];

  const inGraph = (graph: Graph, excluded: ReadonlySet<string>): Graph => {
    const visible = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
    const left = new Set([...readBy(graph, exclude), ...excluded, ...visible]);
    const initializers = new Map(graph.initializers);
    const casts: Node[] = [];
    /** Whether this weight is stored in 16 bits now. */
    const store = (name: string, weight: Tensor): boolean => {
      if (weight.dtype !== 'float32' || sizeOf(weight.dims) < least) return false;
      const x = floats(weight);
      const half = Uint16Array.from(x, FORMS[as].encode);
      const why = left.has(name) ? 'excluded' : unfit(x, half, as);
      if (why !== undefined) {
        kept.push({ node: name, op: 'initializer', why });
        return false;
      }
      const stored = fresh(`${name}_h`);
      initializers.delete(name);
      initializers.set(stored, tensor(as, weight.dims, half));
      const to = { kind: 'int', value: factsOf('float32').code } as const;
      casts.push({ op: 'Cast', domain: '', name: '', inputs: [stored], outputs: [name], attrs: { to } });
      quantized.push(name);
      return true;
    };
    for (const [name, weight] of graph.initializers) store(name, weight);
    const nodes = graph.nodes.flatMap((node) => {
      const constant = constantOf(node);
      return constant && store(node.outputs[0]!, constant) ? [] : [inGraphs(node, (inner) => inGraph(inner, left))];
    });
    return { ...graph, nodes: [...casts, ...nodes], initializers };
  };

  const written: Model = { ...model, graph: inGraph(model.graph, new Set(exclude)) };
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(original), parameters: parametersOf(original) },
      after: { bytes: modelBytes(written), parameters: parametersOf(written) },
      scheme: `${as} storage, float32 arithmetic`,
      quantized,
      kept,
    },
  };
}

/** Why this form cannot hold these numbers, or undefined. */
function unfit(x: Float32Array, half: Uint16Array, as: keyof typeof FORMS): string | undefined {
  const { decode, largest, smallest }: Form = FORMS[as];
  let [sum, lost, most] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const size = Math.abs(x[i]!);
    most = Math.max(most, size);
    sum += size;
    if (size < smallest) lost += Math.abs(x[i]! - decode(half[i]!));
  }
  if (most > largest) return `it holds ${most.toExponential(2)}, ${as} ends at ${largest}`;
  return lost > 1e-3 * sum ? `most of it is too small for ${as}` : undefined;
}
