/**
 * BatchNormalization after a layer becomes part of the layer.
 *
 *   s = γ / √(σ² + ε)          W' = s · W
 *   t = β − s · μ              b' = s · b + t
 */

import type { Node } from '../../graph/model.ts';
import { AFFINE, affine, affineOf, scaleOutputs } from '../affine.ts';
import { doubles } from '../arithmetic.ts';
import type { Net } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { batchNorm, values } from '../sample.ts';

/** s and t of a BatchNormalization, or the reason why they are not fixed numbers. */
export function scaleAndShift(norm: Node, net: Net): { s: Float64Array; t: Float64Array } | string {
  const training = norm.attrs.training_mode;
  if (training?.kind === 'int' && training.value === 1) return 'it is in training mode';
  const further = norm.outputs.slice(1).find((name) => name && (net.readers(name).length > 0 || net.isOutput(name)));
  if (further) return `its statistics "${further}" are read`;
  const [, ...names] = norm.inputs;
  const missing = names.find((name) => !net.constant(name));
  if (missing !== undefined) return `"${missing}" is not a constant`;
  const [gamma, beta, mean, variance] = names.map((name) => doubles(net.constant(name)!));
  const epsilon = norm.attrs.epsilon?.kind === 'float' ? norm.attrs.epsilon.value : 1e-5;
  const s = gamma!.map((value, i) => value / Math.sqrt(variance![i]! + epsilon));
  return { s, t: beta!.map((value, i) => value - s[i]! * mean![i]!) };
}

export const foldBatchNorm = rule({
  name: 'fold-batch-norm',
  about: 'BatchNormalization after Conv, ConvTranspose, Gemm or MatMul becomes part of its weights.',
  pattern: node('BatchNormalization', [node(AFFINE, [any()], { as: 'layer', once: true })], { as: 'norm' }),

  check: ({ nodes: { layer, norm } }, net) => {
    const before = affineOf(layer!, net);
    if (typeof before === 'string') return before;
    if (before.axis !== 1) return `it normalises axis 1, ${layer!.op} makes its features on axis ${before.axis}`;
    const fixed = scaleAndShift(norm!, net);
    return typeof fixed === 'string' ? fixed : undefined;
  },

  rewrite: ({ nodes: { layer, norm } }, edit) => {
    const before = affine(layer!, edit);
    const { s, t } = scaleAndShift(norm!, edit) as { s: Float64Array; t: Float64Array };
    const output = scaleOutputs(edit, before, s, t, { wish: norm!.inputs[2]!, readers: [norm!] });
    return { outputs: [output], why: `into ${layer!.op} "${layer!.name}"` };
  },

  samples: [
    {
      about: 'after a convolution without bias',
      leaves: 'Conv',
      build: (g) =>
        batchNorm(g, g.Conv(g.input('x', 'float32', [2, 3, 5, 5]), values(g, [4, 3, 3, 3]), { pads: [1, 1, 1, 1] })),
    },
    {
      about: 'after a grouped convolution with bias',
      leaves: 'Conv',
      build: (g) =>
        batchNorm(
          g,
          g.Conv(g.input('x', 'float32', [2, 4, 5, 5]), values(g, [6, 2, 3, 3]), values(g, [6]), { group: 2 }),
        ),
    },
    {
      about: 'after a transposed convolution in groups',
      leaves: 'ConvTranspose',
      build: (g) =>
        batchNorm(
          g,
          g.ConvTranspose(g.input('x', 'float32', [1, 4, 3, 3]), values(g, [4, 3, 2, 2]), {
            group: 2,
            strides: [2, 2],
          }),
        ),
    },
    {
      about: 'after a dense layer with alpha, beta and a scalar bias',
      leaves: 'Gemm',
      build: (g) =>
        batchNorm(
          g,
          g.Gemm(g.input('x', 'float32', [2, 3]), values(g, [4, 3]), values(g, [1]), {
            transB: 1,
            alpha: 0.5,
            beta: 2,
          }),
        ),
    },
    {
      about: 'after a matrix product',
      leaves: 'Gemm',
      build: (g) => batchNorm(g, g.MatMul(g.input('x', 'float32', [2, 3]), values(g, [3, 4]))),
    },
    {
      about: 'after a product whose features lie on another axis',
      build: (g) => batchNorm(g, g.MatMul(g.input('x', 'float32', [2, 5, 3]), values(g, [3, 4]))),
      fires: false,
    },
    {
      about: 'after a convolution that another node reads too',
      build: (g) => {
        const y = g.Conv(g.input('x', 'float32', [1, 2, 3, 3]), values(g, [2, 2, 1, 1]));
        return [batchNorm(g, y), g.Relu(y)];
      },
      fires: false,
    },
  ],
});
