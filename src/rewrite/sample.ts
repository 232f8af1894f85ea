/** What the rules' samples are made of: weights with known, unremarkable values. */

import { random } from '../base/random.ts';
import { float32, sizeOf } from '../graph/tensor.ts';
import type { Builder } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';

/** A weight of normal numbers, the same ones for the same dimensions and seed. */
export function values(g: Builder, dims: readonly number[], seed = 1): StaticValue {
  const source = random(seed, dims.join('x'));
  return g.constant(
    float32(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => source.normal()),
    ),
    'w',
  );
}

/** A weight of numbers in [0.5, 1.5): variances and scales. */
export function positives(g: Builder, dims: readonly number[], seed = 2): StaticValue {
  const source = random(seed, dims.join('x'));
  return g.constant(
    float32(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => 0.5 + source.uniform()),
    ),
    'w',
  );
}

/** Batch normalisation of axis 1 with statistics that are neither 0 nor 1. */
export function batchNorm(g: Builder, x: StaticValue): StaticValue {
  const dims = [x.dims[1]!];
  return g.BatchNormalization(x, values(g, dims, 3), values(g, dims, 4), values(g, dims, 5), positives(g, dims), {
    epsilon: 1e-3,
  });
}
