/** Arithmetic on weights: computed in float64, stored in the dtype they came in. */

import type { DType } from '../graph/dtype.ts';
import { elements, fromBrain, fromHalf, numbers, sizeOf, type Tensor, tensor, toHalf } from '../graph/tensor.ts';

const CALCULABLE = new Set<DType>(['float32', 'float64', 'float16', 'bfloat16']);

/** Can these rules compute with weights of this dtype? */
export const isCalculable = ({ dtype }: Tensor): boolean => CALCULABLE.has(dtype);

/** The elements in float64. */
export const doubles = (t: Tensor): Float64Array =>
  Float64Array.from(
    t.dtype === 'float32' || t.dtype === 'float64' ? (elements(t) as Float32Array | Float64Array) : numbers(t),
  );

const brainBits = (value: number): number => {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return Number.isNaN(value) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
};

/** A tensor of this float dtype from numbers, rounded to nearest. */
export function rounded(dtype: DType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  if (dtype === 'float16') return tensor(dtype, dims, Uint16Array.from(values, toHalf));
  if (dtype === 'bfloat16') return tensor(dtype, dims, Uint16Array.from(values, brainBits));
  return tensor(dtype, dims, dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values));
}

/** Each element through `change`, which sees its value and its place. Large weights never become plain numbers. */
export function mapElements(t: Tensor, change: (value: number, i: number) => number): Tensor {
  const from = elements(t) as Float32Array | Float64Array | Uint16Array;
  const to = from.slice();
  if (t.dtype === 'float16') for (let i = 0; i < to.length; i++) to[i] = toHalf(change(fromHalf(from[i]!), i));
  else if (t.dtype === 'bfloat16')
    for (let i = 0; i < to.length; i++) to[i] = brainBits(change(fromBrain(from[i]!), i));
  else for (let i = 0; i < to.length; i++) to[i] = change(from[i]!, i);
  return tensor(t.dtype, t.dims, to);
}

/** The same elements with axes in another order: result axis k is `t`'s axis `order[k]`. */
export function permuted(t: Tensor, order: readonly number[]): Tensor {
  const from = elements(t) as Float32Array;
  const to = from.slice();
  const dims = order.map((axis) => t.dims[axis]!);
  const strides = t.dims.map((_, axis) => sizeOf(t.dims.slice(axis + 1)));
  const steps = order.map((axis) => strides[axis]!);
  const index = new Array<number>(dims.length).fill(0);
  let source = 0;
  for (let i = 0; i < to.length; i++) {
    to[i] = from[source]!;
    for (let k = dims.length - 1; k >= 0; k--) {
      source += steps[k]!;
      if (++index[k]! < dims[k]!) break;
      source -= steps[k]! * dims[k]!;
      index[k] = 0;
    }
  }
  return tensor(t.dtype, dims, to);
}

/**
 * A constant that broadcasting lays along one axis of a tensor of this rank, as `size` numbers; undefined when it
 * varies along another axis.
 */
export function alongAxis(t: Tensor, axis: number, rank: number, size: number): Float64Array | undefined {
  const place = axis - (rank - t.dims.length);
  if (t.dims.length > rank || t.dims.some((dim, i) => dim !== 1 && i !== place)) return undefined;
  const values = doubles(t);
  if (values.length === size) return values;
  return values.length === 1 ? new Float64Array(size).fill(values[0]!) : undefined;
}
