/** How large a model is. */

import { isFloat } from '../graph/dtype.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';

/** Size of a model. */
export interface Size {
  /** Of the ONNX file. */
  readonly bytes: number;
  /** Weights and biases; scales are not counted. */
  readonly parameters: number;
}

/** Elements of all weights. Integers replace them one by one, so the prepared float model is the one to count. */
export const parametersOf = ({ graph }: Model): number =>
  [...graph.initializers.values()].reduce((n, { dtype, dims }) => n + (isFloat(dtype) ? sizeOf(dims) : 0), 0);
