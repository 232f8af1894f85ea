/** Draws from the engine's own random stream. Training never uses them: `randomUniform` repeats. */

import { dtypeOf } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { noMacs } from './answer.ts';
import { float, int, ints, op, type Row } from './op.ts';
import { between } from './sample.ts';

const normal = { mean: float(0), scale: float(1), seed: float() };
const uniform = { low: float(0), high: float(1), seed: float() };

const fresh = (type: string, spread: typeof normal | typeof uniform): Row =>
  op({
    type,
    inputs: [],
    attrs: { ...spread, dtype: int(1), shape: ints([]) },
    shape: (_, { dtype, shape }) => ({ dims: shape as readonly Dim[], dtype: dtypeOf(dtype as number) ?? 'float32' }),
    grad: 'none',
    couple: 'none',
    cost: noMacs,
    quant: 'float',
    samples: [{ attrs: { shape: [2, 3], seed: 1 } }],
  });
export const RandomNormal = fresh('RandomNormal', normal);
export const RandomUniform = fresh('RandomUniform', uniform);

const like = (type: string, spread: typeof normal | typeof uniform): Row =>
  op({
    type,
    inputs: ['X'],
    attrs: { ...spread, dtype: int() },
    shape: ({ X }, { dtype }) => ({ dims: X.dims, dtype: (dtype && dtypeOf(dtype as number)) || X.dtype }),
    grad: 'none',
    couple: 'none',
    cost: noMacs,
    quant: 'float',
    samples: [{ X: [2, 3], attrs: { seed: 1 } }],
  });
export const RandomNormalLike = like('RandomNormalLike', normal);
export const RandomUniformLike = like('RandomUniformLike', uniform);

/** 1 with the probability that the input gives. */
export const Bernoulli = op({
  type: 'Bernoulli',
  inputs: ['X'],
  attrs: { dtype: int(), seed: float() },
  shape: ({ X }, { dtype }) => ({ dims: X.dims, dtype: (dtype && dtypeOf(dtype)) || X.dtype }),
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: between(0, 1, [2, 3]), attrs: { seed: 1 } }],
});

/** Class numbers drawn by log-probabilities [N, classes]. */
export const Multinomial = op({
  type: 'Multinomial',
  inputs: ['X'],
  attrs: { dtype: int(6), sample_size: int(1), seed: float() },
  shape: ({ X }, { dtype, sample_size }) => ({ dims: [X.dims[0]!, sample_size], dtype: dtypeOf(dtype) ?? 'int32' }),
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3], attrs: { sample_size: 4, seed: 1 } }],
});
