/** A file that holds one tensor (`input_0.pb` of the ONNX conformance tests) ⇄ Tensor. */

import type { Tensor } from '../graph/tensor.ts';
import { emptyShelf } from './external.ts';
import { recent } from './recent.ts';
import { readTensor } from './tensor-read.ts';
import { INSIDE, putTensor } from './tensor-write.ts';
import { cursor } from './wire-read.ts';
import { encode } from './wire-write.ts';

/**
 * The tensor in a serialised TensorProto, and its name ('' when it has none). Raw data is a view of `bytes`.
 *
 * Throws   onnx/truncated, onnx/malformed, onnx/dtype
 */
export function readTensorProto(bytes: Uint8Array, source = 'the tensor file'): { name: string; tensor: Tensor } {
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return readTensor(cursor(plain, source), plain, { shelf: emptyShelf, recent: recent(), externals: 0 });
}

/**
 * A serialised TensorProto.
 *
 * Throws   tensor/size when the elements are not as many as the dimensions ask for.
 */
export const writeTensorProto = (name: string, tensor: Tensor): Uint8Array<ArrayBuffer> =>
  encode((sink) => putTensor(sink, name, tensor, INSIDE));
