/** Pare's tensors as onnxruntime-web's, and back. */

import type * as Ort from 'onnxruntime-web';
import { PareError } from '../../base/error.ts';
import { DTYPES, type DType } from '../../graph/dtype.ts';
import { elements, type Tensor } from '../../graph/tensor.ts';

/** The element types that onnxruntime-web carries. */
const CARRIED = new Set<DType>([
  ...(['float32', 'float64', 'float16', 'bool', 'string', 'int4', 'uint4'] as const),
  ...(['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const),
]);

/**
 * A tensor for a run; the engine copies its data into its own memory at each run.
 *
 * Throws   engine/type for an element type that onnxruntime-web cannot carry.
 */
export function toOrt(ort: typeof Ort, name: string, tensor: Tensor): Ort.Tensor {
  const { dtype, dims, strings = [] } = tensor;
  if (!CARRIED.has(dtype)) {
    throw new PareError('engine/type', `The WASM engine cannot take ${dtype} ("${name}").`, {
      where: `input "${name}"`,
      expected: [...CARRIED].join(', '),
      got: dtype,
    });
  }
  if (dtype === 'string') return new ort.Tensor('string', [...strings], dims);
  // The engine's types know int4 under no constructor of its own; its code takes any dtype by name.
  const make = ort.Tensor as unknown as new (type: string, data: unknown, dims: readonly number[]) => Ort.Tensor;
  // `elements` copies misaligned bytes by `slice`, which a Node Buffer answers with a view: so not as a Buffer.
  const { buffer, byteOffset, byteLength } = tensor.bytes;
  return new make(dtype, elements({ ...tensor, bytes: new Uint8Array(buffer, byteOffset, byteLength) }), dims);
}

/** The dtype by onnxruntime-web's name for it, or undefined. */
export const dtypeNamed = (type: string): DType | undefined =>
  Object.hasOwn(DTYPES, type) ? (type as DType) : undefined;

/**
 * The tensor that a run gave; its memory is the tensor's own.
 *
 * Throws   engine/type for a value that is no tensor of a known type.
 */
export function fromOrt(name: string, value: Ort.Tensor | undefined): Tensor {
  const dtype = value && dtypeNamed(value.type);
  if (!value || !dtype) {
    throw new PareError('engine/type', `Output "${name}" is not a tensor of a type that Pare knows.`, {
      where: `output "${name}"`,
      got: String(value?.type ?? 'no value'),
    });
  }
  const dims = [...value.dims];
  if (dtype === 'string') return { dtype, dims, bytes: new Uint8Array(0), strings: value.data as string[] };
  const data = value.data as Float32Array;
  return { dtype, dims, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
