/** Weights stored in 16 bits, computed in 32: half the file, the same speed on a CPU (the engine widens them at loading). */

import { freshNames, namesOf } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { floats, fromHalf, sizeOf, tensor, toHalf } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import { modernize } from '../ops/modern.ts';
import type { WeightReport } from './dynamic.ts';
import type { Kept } from './plan.ts';
import { parametersOf } from './quantize.ts';

export interface HalfOptions {
  /** Names of weights that stay float32. */
  exclude?: readonly string[];
  /** Smaller weights stay float32: their conversion costs more than it saves. Default 64 elements. */
  least?: number;
}

const LARGEST = 65504;
/** Below this, float16 loses its digits one by one. */
const SMALLEST = 2 ** -14;

/**
 * Stores float32 weights as float16, each behind a Cast. A weight that float16 cannot hold stays as it is: entries above
 * 65504, or most of its magnitude below 2^-14. Graph inputs, outputs and all arithmetic stay float32.
 */
export function toHalfStorage(
  original: Model,
  { exclude = [], least = 64 }: HalfOptions = {},
): { model: Model; report: WeightReport } {
  const model = modernize(original);
  const { graph } = model;
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const casts: Node[] = [];
  const quantized: string[] = [];
  const kept: Kept[] = [];
  const protectedNames = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  for (const [name, weight] of graph.initializers) {
    if (weight.dtype !== 'float32' || sizeOf(weight.dims) < least) continue;
    const x = floats(weight);
    const half = Uint16Array.from(x, toHalf);
    const why = exclude.includes(name) || protectedNames.has(name) ? 'excluded' : unfit(x, half);
    if (why !== undefined) {
      kept.push({ node: name, op: 'initializer', why });
      continue;
    }
    const stored = fresh(`${name}_h`);
    initializers.delete(name);
    initializers.set(stored, tensor('float16', weight.dims, half));
    casts.push({
      op: 'Cast',
      domain: '',
      name: '',
      inputs: [stored],
      outputs: [name],
      attrs: { to: { kind: 'int', value: 1 } },
    });
    quantized.push(name);
  }
  const written: Model = { ...model, graph: { ...graph, nodes: [...casts, ...graph.nodes], initializers } };
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(original), parameters: parametersOf(original) },
      after: { bytes: modelBytes(written), parameters: parametersOf(written) },
      scheme: 'float16 storage, float32 arithmetic',
      quantized,
      kept,
    },
  };
}

/** Why float16 cannot hold these numbers, or undefined. */
function unfit(x: Float32Array, half: Uint16Array): string | undefined {
  let [sum, lost, most] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const size = Math.abs(x[i]!);
    most = Math.max(most, size);
    sum += size;
    if (size < SMALLEST) lost += Math.abs(x[i]! - fromHalf(half[i]!));
  }
  if (most > LARGEST) return `it holds ${most.toExponential(2)}, float16 ends at ${LARGEST}`;
  return lost > 1e-3 * sum ? 'most of it is too small for float16' : undefined;
}
