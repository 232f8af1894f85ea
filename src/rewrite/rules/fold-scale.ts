/**
 * A constant per channel, multiplied with or added to what a layer makes, becomes part of the layer.
 *
 *   s · (W ∗ x + b) + t = (s · W) ∗ x + (s · b + t)
 */

import type { Node } from '../../graph/model.ts';
import { AFFINE, type Affine, affine, affineOf, scaleOutputs } from '../affine.ts';
import { alongAxis, isCalculable } from '../arithmetic.ts';
import { isQuantized } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { positives, values } from '../sample.ts';

/** s and t such that the node makes s · y + t of channels on `axis`, or the reason why it does not. */
export function scaleOf(
  node: Node,
  y: string,
  axis: number,
  rank: number,
  channels: number,
  net: Net,
): { s: Float64Array; t: Float64Array } | string {
  const at = node.inputs.indexOf(y);
  const name = node.inputs[1 - at]!;
  const fixed = net.constant(name)!;
  if (!isCalculable(fixed)) return `"${name}" is ${fixed.dtype}`;
  const c = alongAxis(fixed, axis, rank, channels);
  if (!c) return `"${name}" [${fixed.dims.join(', ')}] does not vary by channel only`;
  const ones = new Float64Array(channels).fill(1);
  const zeros = new Float64Array(channels);
  switch (node.op) {
    case 'Mul':
      return { s: c, t: zeros };
    case 'Div':
      return at === 0 ? { s: c.map((value) => 1 / value), t: zeros } : 'the layer is the divisor';
    case 'Add':
      return { s: ones, t: c };
    default:
      return at === 0 ? { s: ones, t: c.map((value) => -value) } : { s: ones.map(() => -1), t: c };
  }
}

/** Rank of a layer's output. */
export const rankOf = ({ node, W, axis }: Affine): number =>
  node.op === 'Conv' || node.op === 'ConvTranspose' ? W.dims.length : axis === 1 ? 2 : axis + 1;

export const foldScale = rule({
  name: 'fold-scale',
  about: 'Mul, Div, Add or Sub with a constant per channel after a layer becomes part of its weights.',
  pattern: node(['Mul', 'Div', 'Add', 'Sub'], [node(AFFINE, [any()], { as: 'layer', once: true }), constant('c')], {
    as: 'scale',
    commutes: true,
  }),

  check: ({ nodes: { layer, scale }, values: { layer: y } }, net) => {
    const before = affineOf(layer!, net);
    if (typeof before === 'string') return before;
    if (isQuantized(layer!, net)) return 'the layer is quantised';
    const found = scaleOf(scale!, y!, before.axis, rankOf(before), before.channels, net);
    if (typeof found === 'string') return found;
    const gains = layer!.op !== 'MatMul' || before.axis === 1 || found.t.every((value) => value === 0);
    return gains ? undefined : 'a product of more than two axes has no bias to take it';
  },

  rewrite: ({ nodes: { layer, scale }, values: { layer: y, c } }, edit) => {
    const before = affine(layer!, edit);
    const found = scaleOf(scale!, y!, before.axis, rankOf(before), before.channels, edit);
    const { s, t } = found as { s: Float64Array; t: Float64Array };
    const output = scaleOutputs(edit, before, s, t, { wish: c!, readers: [scale!] });
    return { outputs: [output], why: `into ${layer!.op} "${layer!.name}"` };
  },

  samples: [
    {
      about: 'a bias after a convolution',
      leaves: 'Conv',
      build: (g) => g.Add(g.Conv(g.input('x', 'float32', [1, 2, 4, 4]), values(g, [3, 2, 3, 3])), values(g, [3, 1, 1])),
    },
    {
      about: 'a scale before a dense layer with a bias',
      leaves: 'Gemm',
      build: (g) =>
        g.Mul(values(g, [1, 4]), g.Gemm(g.input('x', 'float32', [2, 3]), values(g, [3, 4]), values(g, [4]))),
    },
    {
      about: 'a number minus a dense layer',
      leaves: 'Gemm',
      build: (g) => g.Sub(g.scalar(1), g.Gemm(g.input('x', 'float32', [2, 3]), values(g, [3, 4]), { alpha: 0.5 })),
    },
    {
      about: 'a division of a product over many axes',
      leaves: 'MatMul',
      build: (g) => g.Div(g.MatMul(g.input('x', 'float32', [2, 5, 3]), values(g, [3, 4])), positives(g, [4])),
    },
    {
      about: 'a weight that other nodes read',
      leaves: 'MatMul Neg MatMul',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3]);
        const w = values(g, [3, 3]);
        return [g.Mul(g.MatMul(x, w), 2), g.MatMul(g.Neg(x), w)];
      },
    },
    {
      about: 'a constant that varies along another axis',
      build: (g) => g.Mul(g.Conv(g.input('x', 'float32', [1, 2, 4, 4]), values(g, [3, 2, 1, 1])), values(g, [4])),
      fires: false,
    },
    {
      about: 'a division by the layer',
      build: (g) => g.Div(g.scalar(1), g.Gemm(g.input('x', 'float32', [2, 3]), values(g, [3, 4]), values(g, [4]))),
      fires: false,
    },
  ],
});
