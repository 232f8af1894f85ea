/** Weights in the narrowest type that holds them, widened again when the model is loaded: bytes, not speed. */

import { factsOf } from '../../graph/dtype.ts';
import { freshNames, namesOf } from '../../graph/edit.ts';
import type { Model, Node } from '../../graph/model.ts';
import { floats, fromHalf, sizeOf, type Tensor, tensor, tensorBytes, toHalf } from '../../graph/tensor.ts';
import { modernize } from '../../ops/modern.ts';
import { rewrite } from '../../rewrite/index.ts';

export interface NarrowOptions {
  /** Only weights whose every value is a float16 already; else all, rounded, that float16's range holds. Default true. */
  exact?: boolean | undefined;
  /** Weights with fewer elements stay. Default 64. */
  minSize?: number | undefined;
}

export interface NarrowReport {
  readonly narrowed: readonly string[];
  /** Bytes of all weights. */
  readonly bytes: { readonly before: number; readonly after: number };
}

/**
 * Stores float32 weights as float16 with a Cast behind each, and equal weights once. Arithmetic stays in float32: the
 * engine casts constants while loading.
 */
export function storeNarrow(
  model: Model,
  { exact = true, minSize = 64 }: NarrowOptions = {},
): { model: Model; report: NarrowReport } {
  const modern = modernize(model);
  const { graph } = rewrite(modern, ['duplicate-initializers']).model;
  const fresh = freshNames(namesOf(graph));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const casts: Node[] = [];
  const narrowed: string[] = [];
  for (const [name, weight] of graph.initializers) {
    if (weight.dtype !== 'float32' || sizeOf(weight.dims) < minSize || outputs.has(name)) continue;
    const half = halved(weight, exact);
    if (!half) continue;
    const stored = fresh(`${name}.float16`);
    initializers.delete(name);
    initializers.set(stored, half);
    const to = { kind: 'int', value: factsOf('float32').code } as const;
    casts.push({ op: 'Cast', domain: '', name: `${stored}.cast`, inputs: [stored], outputs: [name], attrs: { to } });
    narrowed.push(name);
  }
  const gone = new Set(narrowed);
  const inputs = graph.inputs.filter(({ name }) => !gone.has(name));
  const made = { ...modern, graph: { ...graph, nodes: [...casts, ...graph.nodes], initializers, inputs } };
  return { model: made, report: { narrowed, bytes: { before: bytesOf(modern), after: bytesOf(made) } } };
}

const bytesOf = ({ graph }: Model): number =>
  [...graph.initializers.values()].reduce((sum, weight) => sum + tensorBytes(weight), 0);

/** Beyond this a float16 is infinite. */
const MOST = 65504;

/** The weight as float16, or undefined where it does not hold it. */
function halved(weight: Tensor, exact: boolean): Tensor | undefined {
  const values = floats(weight);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    bits[i] = toHalf(values[i]!);
    if (exact ? !Object.is(fromHalf(bits[i]!), values[i]!) : !(Math.abs(values[i]!) <= MOST)) return undefined;
  }
  return tensor('float16', weight.dims, bits);
}
