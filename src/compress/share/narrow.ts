/** Weights in the narrowest type that holds them, widened again when the model is loaded: bytes, not speed. */

import { type DType, factsOf, type TypedArray } from '../../graph/dtype.ts';
import { consumers, freshNames, namesOf } from '../../graph/edit.ts';
import type { Model, Node } from '../../graph/model.ts';
import { elements, fromHalf, sizeOf, type Tensor, tensor, tensorBytes, toHalf } from '../../graph/tensor.ts';
import { modernize } from '../../ops/modern.ts';
import { rewrite } from '../../rewrite/index.ts';

export interface NarrowOptions {
  /** Only types that hold every value as it is; else float32 is rounded to float16 where its range allows. Default true. */
  exact?: boolean | undefined;
  /** Weights with fewer elements stay. Default 64. */
  minSize?: number | undefined;
}

export interface NarrowReport {
  /** Which weights are stored in another type. */
  readonly narrowed: readonly { readonly name: string; readonly from: DType; readonly to: DType }[];
  /** Bytes of all weights. */
  readonly bytes: { readonly before: number; readonly after: number };
}

/** Types to try for each type, the smallest first. */
const SMALLER: Partial<Record<DType, readonly DType[]>> = {
  float32: ['uint8', 'int8', 'float16'],
  float64: ['uint8', 'int8', 'float16', 'float32'],
  float16: ['uint8', 'int8'],
  int64: ['uint8', 'int8', 'int16', 'int32'],
  int32: ['uint8', 'int8', 'int16'],
};

const QUANTISERS = new Set(['QuantizeLinear', 'DequantizeLinear']);

/** What a Cast node and two names take in a file, roughly: less is not worth it. */
const COST = 128;

/**
 * Stores weights in smaller types with a Cast behind each, and equal weights once. Arithmetic stays as it was: the
 * engine casts constants while loading. What quantisers and operators beyond ai.onnx read is left alone.
 *
 * @example
 * storeNarrow(model, { exact: false }).model     // float16 on disk, float32 in use
 */
export function storeNarrow(
  model: Model,
  { exact = true, minSize = 64 }: NarrowOptions = {},
): { model: Model; report: NarrowReport } {
  const modern = modernize(model);
  const { graph } = rewrite(modern, ['duplicate-initializers']).model;
  const fresh = freshNames(namesOf(graph));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const read = consumers(graph);
  const isPlain = ({ op, domain }: Node): boolean => domain === '' && !QUANTISERS.has(op);
  const initializers = new Map(graph.initializers);
  const casts: Node[] = [];
  const narrowed: { name: string; from: DType; to: DType }[] = [];
  for (const [name, weight] of graph.initializers) {
    if (sizeOf(weight.dims) < minSize || outputs.has(name) || !read.get(name)?.every(isPlain)) continue;
    const small = smaller(weight, exact);
    if (!small || tensorBytes(weight) - tensorBytes(small) < COST) continue;
    const stored = fresh(`${name}.${small.dtype}`);
    initializers.delete(name);
    initializers.set(stored, small);
    const to = { kind: 'int', value: factsOf(weight.dtype).code } as const;
    casts.push({ op: 'Cast', domain: '', name: `${stored}.cast`, inputs: [stored], outputs: [name], attrs: { to } });
    narrowed.push({ name, from: weight.dtype, to: small.dtype });
  }
  const gone = new Set(narrowed.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !gone.has(name));
  const made = { ...modern, graph: { ...graph, nodes: [...casts, ...graph.nodes], initializers, inputs } };
  return { model: made, report: { narrowed, bytes: { before: bytesOf(modern), after: bytesOf(made) } } };
}

const bytesOf = ({ graph }: Model): number =>
  [...graph.initializers.values()].reduce((sum, weight) => sum + tensorBytes(weight), 0);

/** Beyond this a float16 is infinite. */
const MOST = 65504;

/** The weight in the first type that holds it, or rounded to float16; undefined where it stays. */
function smaller(weight: Tensor, exact: boolean): Tensor | undefined {
  const values = valuesOf(weight);
  for (const dtype of SMALLER[weight.dtype] ?? []) {
    const data = held(values, dtype);
    if (data) return tensor(dtype, weight.dims, data);
  }
  if (exact || weight.dtype !== 'float32') return undefined;
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]!);
    if (!(Math.abs(value) <= MOST)) return undefined;
    bits[i] = toHalf(value);
  }
  return tensor('float16', weight.dims, bits);
}

const valuesOf = (weight: Tensor): TypedArray | Float64Array =>
  weight.dtype === 'float16' ? Float64Array.from(elements(weight) as Uint16Array, fromHalf) : elements(weight);

/** The values as this type, or undefined at the first that it does not hold (a negative zero among integers, too). */
function held(values: TypedArray, dtype: DType): TypedArray | undefined {
  const data = new (factsOf(dtype).array as unknown as new (length: number) => Float64Array)(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]!);
    const stored = dtype === 'float16' ? toHalf(value) : value;
    data[i] = stored;
    if (!Object.is(dtype === 'float16' ? fromHalf(stored) : data[i]!, value)) return undefined;
  }
  return data;
}
