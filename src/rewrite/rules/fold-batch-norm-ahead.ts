/**
 * BatchNormalization before a layer becomes part of the layer, where no padding mixes zeros into what it reads.
 *
 *   W ∗ (s · x + t) + b = (W · s) ∗ x + (b + Σ W · t)
 */

import { affine, affineOf, isPadded, scaleInputs } from '../affine.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { batchNorm, values } from '../sample.ts';
import { scaleAndShift } from './fold-batch-norm.ts';

export const foldBatchNormAhead = rule({
  name: 'fold-batch-norm-ahead',
  about: 'BatchNormalization before an unpadded Conv, a Gemm or a MatMul becomes part of its weights.',
  pattern: node(['Conv', 'Gemm', 'MatMul'], [node('BatchNormalization', [any('x')], { as: 'norm', once: true })], {
    as: 'layer',
  }),

  check: ({ nodes: { layer, norm } }, net) => {
    const fixed = scaleAndShift(norm!, net);
    if (typeof fixed === 'string') return fixed;
    const transposed = layer!.attrs.transA;
    if (transposed?.kind === 'int' && transposed.value === 1) return 'the layer reads its input transposed';
    const before = affineOf(layer!, net);
    if (typeof before === 'string') return before;
    if (before.axis !== 1) return `it normalises axis 1, ${layer!.op} reads its features on axis ${before.axis}`;
    const shifts = fixed.t.some((value) => value !== 0);
    return isPadded(layer!) && shifts ? 'the layer pads what the normalisation shifted' : undefined;
  },

  rewrite: ({ nodes: { layer, norm }, values: { x } }, edit) => {
    const before = affine(layer!, edit);
    const { s, t } = scaleAndShift(norm!, edit) as { s: Float64Array; t: Float64Array };
    const output = scaleInputs(edit, before, s, t, x!, { wish: norm!.inputs[2]!, readers: [norm!] });
    return { outputs: [output], why: `into ${layer!.op} "${layer!.name}" behind it` };
  },

  samples: [
    {
      about: 'before an unpadded convolution in groups',
      leaves: 'Conv',
      build: (g) => g.Conv(batchNorm(g, g.input('x', 'float32', [2, 4, 5, 5])), values(g, [6, 2, 3, 3]), { group: 2 }),
    },
    {
      about: 'before a dense layer',
      leaves: 'Gemm',
      build: (g) =>
        g.Gemm(batchNorm(g, g.input('x', 'float32', [2, 3])), values(g, [4, 3]), values(g, [4]), {
          transB: 1,
          alpha: 0.5,
        }),
    },
    {
      about: 'before a matrix product',
      leaves: 'Gemm',
      build: (g) => g.MatMul(batchNorm(g, g.input('x', 'float32', [2, 3])), values(g, [3, 4])),
    },
    {
      about: 'before a padded convolution',
      build: (g) =>
        g.Conv(batchNorm(g, g.input('x', 'float32', [1, 2, 4, 4])), values(g, [3, 2, 3, 3]), { pads: [1, 1, 1, 1] }),
      fires: false,
    },
  ],
});
