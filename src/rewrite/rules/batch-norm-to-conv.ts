/**
 * A BatchNormalization that no layer takes in (DenseNet, networks that activate first) as a convolution of each channel by itself, which has an
 * integer kernel that clamps as well. Not part of `simplify`.
 *
 *   s · x + t        W [C, 1, 1, …] = s, b = t, group = C
 */

import { rounded } from '../arithmetic.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { batchNorm } from '../sample.ts';
import { scaleAndShift } from './fold-batch-norm.ts';

export const batchNormToConv = rule({
  name: 'batch-norm-to-conv',
  about: 'BatchNormalization that stands alone becomes a convolution of each channel by itself.',
  pattern: node('BatchNormalization', [any('x')], { as: 'norm' }),

  check: ({ nodes: { norm }, values: { x } }, net) => {
    const { dtype, dims } = net.fact(x!) ?? {};
    if (dtype !== 'float32') return `"${x}" is not float32`;
    if (!dims || dims.length < 3) return `"${x}" has no places`;
    const fixed = scaleAndShift(norm!, net);
    return typeof fixed === 'string' ? fixed : undefined;
  },

  rewrite: ({ nodes: { norm }, values: { x } }, edit) => {
    const { s, t } = scaleAndShift(norm!, edit) as { s: Float64Array; t: Float64Array };
    const ones = edit.dims(x!)!.slice(2).fill(1) as number[];
    const [, gamma = '', beta = ''] = norm!.inputs;
    const w = edit.weight(gamma, rounded('float32', [s.length, 1, ...ones], s));
    const b = edit.weight(beta, rounded('float32', [t.length], t));
    const attrs = { group: s.length, kernel_shape: ones };
    return { outputs: [edit.emit('Conv', [x!, w, b], attrs, { like: norm! })], why: 'as a convolution' };
  },

  samples: [
    { about: 'of images', leaves: 'Conv', build: (g) => batchNorm(g, g.input('x', 'float32', [2, 3, 5, 5])) },
    { about: 'of rows', build: (g) => batchNorm(g, g.input('x', 'float32', [2, 3])), fires: false },
  ],
});
