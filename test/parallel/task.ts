/** A small model and data set that every rank can make for itself. */

import { random } from '../../src/base/random.ts';
import { type Dataset, inMemory } from '../../src/data/dataset.ts';
import type { Model } from '../../src/graph/model.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import {
  chainLayers,
  classifier,
  conv2d,
  dense,
  flatten,
  maxPool2d,
  relu,
  sequential,
  tanh,
} from '../../src/nn/index.ts';

/** One picture: channels, height, width. */
export const DIMS = [1, 8, 8];

/** Three classes of noisy pictures. */
export function blobs(size: number, dims: readonly number[] = DIMS): Dataset {
  const source = random(7, 'blobs');
  const labels = Int32Array.from({ length: size }, () => source.integer(3));
  const data = Float32Array.from({ length: size * sizeOf(dims) }, (_, i) => {
    const label = labels[Math.floor(i / sizeOf(dims))]!;
    return source.normal() + (i % 3 === label ? 1 : 0);
  });
  return inMemory({
    name: 'blobs',
    inputs: { x: { dtype: 'float32', dims, data } },
    labels: { dtype: 'int64', dims: [], data: labels },
  });
}

/** A convolution and two dense layers. */
export const net = (): Model =>
  sequential([chainLayers(conv2d(16, 3), relu(), maxPool2d(2)), flatten(), dense(16), tanh(), classifier(3)], {
    input: DIMS,
  });
