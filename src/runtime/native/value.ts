/** Tensors as the C library sees them: values over JavaScript's own memory on the way in, one copy on the way out. */

import { PareError } from '../../base/error.ts';
import { byteLength, factsOf } from '../../graph/dtype.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import type { Pointer } from './api.ts';
import { codeFor, dtypeFor } from './element-type.ts';
import type { Environment } from './environment.ts';

/** A value of the engine's whose memory is JavaScript's. `pin` must stay referenced as long as the value lives. */
export interface Borrowed {
  readonly value: Pointer;
  readonly pin: unknown;
  /** The value belongs to somebody else, who releases it. */
  readonly isShared?: boolean;
  /** Where the tensor was misaligned: brings its bytes to the engine's copy before a run … */
  readonly load?: () => void;
  /** … and back after one. */
  readonly store?: () => void;
}

const shapeOf = (dims: readonly number[]): BigInt64Array => BigInt64Array.from(dims, BigInt);

/** An engine value over the tensor's own bytes. Release it with `ReleaseValue`. */
export function borrow(env: Environment, tensor: Tensor): Borrowed {
  if (tensor.dtype === 'string') return fromStrings(env, tensor);
  const { dtype, dims, bytes } = tensor;
  const width = factsOf(dtype).array.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % width === 0;
  const memory = bytes.byteLength === 0 ? new Uint8Array(new ArrayBuffer(8)) : aligned ? bytes : new Uint8Array(bytes);
  // Reading `buffer` moves a short array out of V8's heap, where the collector would move it under the engine's feet.
  const pin = [memory, memory.buffer];
  const shape = shapeOf(dims);
  const value = env.pointer((out) =>
    env.api.CreateTensorWithDataAsOrtValue(
      env.memoryInfo,
      memory,
      bytes.byteLength,
      shape,
      dims.length,
      codeFor(dtype),
      out,
    ),
  );
  if (aligned || bytes.byteLength === 0) return { value, pin };
  return { value, pin, load: () => memory.set(bytes), store: () => bytes.set(memory) };
}

function fromStrings(env: Environment, { dims, strings = [] }: Tensor): Borrowed {
  const { api } = env;
  const value = env.pointer((out) =>
    api.CreateTensorAsOrtValue(env.allocator, shapeOf(dims), dims.length, codeFor('string'), out),
  );
  for (const [i, text] of strings.entries()) api.FillStringTensorElement(value, text, i);
  return { value, pin: undefined };
}

/** GetValueType's and GetOnnxTypeFromTypeInfo's answers. */
export const KINDS = ['unknown', 'tensor', 'sequence', 'map', 'opaque', 'sparse tensor', 'optional'];
export const TENSOR = 1;

/**
 * A copy of an engine value.
 *
 * Throws   engine/type for a value that is no tensor.
 */
export function readValue(env: Environment, value: Pointer, name: string): Tensor {
  const { api } = env;
  const filled = env.number((out) => api.HasValue(value, out));
  const kind = filled ? env.number((out) => api.GetValueType(value, out)) : -1;
  if (kind !== TENSOR) {
    throw new PareError(
      'engine/type',
      `Output "${name}" is ${kind < 0 ? 'empty' : `a ${KINDS[kind]}`}, not a tensor.`,
      {
        where: `output "${name}"`,
      },
    );
  }
  const { code, dims } = describe(env, value);
  const dtype = dtypeFor(code);
  if (!dtype) {
    throw new PareError('engine/type', `Output "${name}" has an element type that Pare does not know.`, {
      where: `output "${name}"`,
      got: `element type ${code}`,
    });
  }
  if (dtype === 'string')
    return { dtype, dims, bytes: new Uint8Array(0), strings: readStrings(env, value, sizeOf(dims)) };
  const bytes = new Uint8Array(byteLength(dtype, sizeOf(dims)));
  if (bytes.byteLength > 0) {
    const data = env.pointer((out) => api.GetTensorMutableData(value, out));
    bytes.set(new Uint8Array(env.koffi.view(data, bytes.byteLength)));
  }
  return { dtype, dims, bytes };
}

/** Element type and dimensions of an engine value that is a tensor. */
export function describe(env: Environment, value: Pointer): { code: number; dims: number[] } {
  const info = env.pointer((out) => env.api.GetTensorTypeAndShape(value, out));
  try {
    return { code: env.number((out) => env.api.GetTensorElementType(info, out)), dims: readDims(env, info) };
  } finally {
    env.api.ReleaseTensorTypeAndShapeInfo(info);
  }
}

/** The dimensions in a tensor's type; -1 where they are symbolic. */
export function readDims(env: Environment, info: Pointer): number[] {
  const dims = new BigInt64Array(env.number((out) => env.api.GetDimensionsCount(info, out)));
  if (dims.length > 0) env.api.GetDimensions(info, dims, dims.length);
  return Array.from(dims, Number);
}

function readStrings(env: Environment, value: Pointer, count: number): string[] {
  if (count === 0) return [];
  const content = new Uint8Array(env.number((out) => env.api.GetStringTensorDataLength(value, out)) + 1);
  const starts = new BigUint64Array(count);
  env.api.GetStringTensorContent(value, content, content.length - 1, starts, count);
  const decoder = new TextDecoder();
  return Array.from(starts, (start, i) =>
    decoder.decode(content.subarray(Number(start), i + 1 < count ? Number(starts[i + 1]) : content.length - 1)),
  );
}
