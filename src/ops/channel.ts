/**
 * Passes over all places of each channel of X [N, C, H, W]: what normalisations and biases are made of. They live between
 * differentiation and the engine, where a blocked layout has faster forms for them (`rewrite/lower`).
 */

import { float32 } from '../graph/tensor.ts';
import { count, noMacs } from './answer.ts';
import { alongChannels } from './moments.ts';
import { op, type StaticValue } from './op.ts';

const own = { domain: 'pare', attrs: {}, grad: 'missing', couple: 'none', cost: noMacs, quant: 'float' } as const;

/** Y = gain ⊙ X + shift + term, gain and shift [C], gain 1 where it is left out. */
export const ChannelAffine = op({
  ...own,
  type: 'ChannelAffine',
  inputs: ['X', 'gain?', 'shift?', 'term?'],
  shape: ({ X }) => X.dims,
  decompose: ({ X, gain, shift, term }, _, g) => {
    const rank = X.dims.length;
    const plus = (y: StaticValue): StaticValue => (term ? g.Add(y, term) : y);
    if (gain && shift && rank > 2) {
      // The engine's own op is one pass where two are needed otherwise; it takes no vectors.
      const [zero, one] = [0, 1].map((x) => g.constant(float32(gain.dims, new Float32Array(count(gain.dims)).fill(x))));
      return [plus(g.BatchNormalization(X, gain, shift, zero, one, { epsilon: 0 }))];
    }
    const scaled = gain ? g.Mul(X, alongChannels(gain, rank, g)) : X;
    return [plus(shift ? g.Add(scaled, alongChannels(shift, rank, g)) : scaled)];
  },
  samples: [],
});

/** Σ X over samples and places: [C]. Places first, which is contiguous, then samples. */
export const ChannelSum = op({
  ...own,
  type: 'ChannelSum',
  inputs: ['X'],
  shape: ({ X }) => [X.dims[1]!],
  decompose: ({ X }, _, g) => {
    const [n, channels, ...rest] = X.dims as [number, number, ...number[]];
    const flat = g.reshape(X, [n, channels, count(rest)]);
    return [g.ReduceSum(g.ReduceSum(flat, [2], { keepdims: 0 }), [0], { keepdims: 0 })];
  },
  samples: [],
});

/** Σ A ⊙ B over samples and places: [C]. */
export const ChannelDot = op({
  ...own,
  type: 'ChannelDot',
  inputs: ['A', 'B'],
  shape: ({ A }) => [A.dims[1]!],
  decompose: ({ A, B }, _, g) => [g.emit('ChannelSum', [g.Mul(A, B)])[0]!],
  samples: [],
});
