/** Numbers in the dtype of the tensor that they replace. */

import { type Tensor, tensor, toHalf } from '../graph/tensor.ts';

/** A tensor of these values with the dtype (float32, float64 or float16) of `like`; its dims too unless others are given. */
export const tensorLike = (like: Tensor, values: ArrayLike<number>, dims: readonly number[] = like.dims): Tensor =>
  tensor(
    like.dtype,
    dims,
    like.dtype === 'float16' ? Uint16Array.from(Array.from(values), toHalf) : Array.from(values),
  );
