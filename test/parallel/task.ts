/** Small models and a data set that every rank can make for itself. */

import { random } from '../../src/base/random.ts';
import { type Dataset, inMemory } from '../../src/data/dataset.ts';
import type { Model } from '../../src/graph/model.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import {
  batchNorm,
  chainLayers,
  classifier,
  conv2d,
  dense,
  dropout,
  flatten,
  maxPool2d,
  relu,
  residual,
  sequential,
  tanh,
  transformerEncoder,
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

const same = (channels: number) => conv2d(channels, 3, { pad: 'same' });

/** Networks of three classes, and the dimensions of one sample. */
export const NETS = {
  /** A convolution and two dense layers. */
  small: {
    dims: DIMS,
    make: () =>
      sequential([chainLayers(conv2d(16, 3), relu(), maxPool2d(2)), flatten(), dense(16), tanh(), classifier(3)], {
        input: DIMS,
      }),
  },
  dense: {
    dims: [6],
    make: () => sequential([dense(24), tanh(), dense(18), tanh(), classifier(3)], { input: [6] }),
  },
  conv: {
    dims: [2, 8, 8],
    make: () =>
      sequential(
        [
          chainLayers(conv2d(16, 3), relu(), maxPool2d(2)),
          chainLayers(conv2d(16, 3), tanh()),
          flatten(),
          dense(12),
          tanh(),
          classifier(3),
        ],
        { input: [2, 8, 8] },
      ),
  },
  branched: {
    dims: DIMS,
    make: () =>
      sequential(
        [
          chainLayers(same(8), tanh()),
          residual(chainLayers(same(8), tanh(), same(8))),
          tanh(),
          flatten(),
          classifier(3),
        ],
        { input: DIMS },
      ),
  },
  normalised: {
    dims: [2, 8, 8],
    make: () =>
      sequential(
        [
          chainLayers(same(8), batchNorm(), tanh()),
          residual(chainLayers(same(8), batchNorm(), tanh(), same(8))),
          flatten(),
          classifier(3),
        ],
        { input: [2, 8, 8] },
      ),
  },
  dropping: {
    dims: DIMS,
    make: () =>
      sequential([flatten(), dense(32), tanh(), dropout(0.5), dense(16), tanh(), classifier(3)], { input: DIMS }),
  },
  transformer: {
    dims: [5, 16],
    make: () => transformerEncoder({ length: 5, features: 16, heads: 4, layers: 1, hidden: 24, classes: 3 }),
  },
} satisfies Readonly<Record<string, { dims: readonly number[]; make: () => Model }>>;

export type NetName = keyof typeof NETS;
export const net = NETS.small.make;
