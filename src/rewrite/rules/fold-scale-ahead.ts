/**
 * A constant per channel, multiplied with or added to what a layer reads, becomes part of the layer.
 *
 *   W ∗ (s · x + t) + b = (W · s) ∗ x + (b + Σ W · t)          where no padding mixes zeros in, or t = 0
 */

import { affine, affineOf, isPadded, scaleInputs } from '../affine.ts';
import { isQuantized, numberAttr } from '../attribute.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';
import { rankOf, scaleOf } from './fold-scale.ts';

export const foldScaleAhead = rule({
  name: 'fold-scale-ahead',
  about: 'Mul, Div, Add or Sub with a constant per channel before a layer becomes part of its weights.',
  pattern: node(
    ['Conv', 'Gemm', 'MatMul'],
    [node(['Mul', 'Div', 'Add', 'Sub'], [any('x'), constant('c')], { as: 'scale', once: true, commutes: true })],
    { as: 'layer' },
  ),

  check: ({ nodes: { layer, scale }, values: { x, scale: scaled } }, net) => {
    const after = affineOf(layer!, net);
    if (typeof after === 'string') return after;
    if (isQuantized(layer!, net)) return 'the layer is quantised';
    if (numberAttr(layer!, 'transA', 0) === 1) return 'the layer reads its input transposed';
    if (net.dims(x!)?.length !== net.dims(scaled!)?.length) return `the constant stretches "${x}"`;
    const found = scaleOf(scale!, x!, after.axis, rankOf(after), after.inputs, net);
    if (typeof found === 'string') return found;
    if (net.dims(x!)?.[after.axis] !== after.inputs) return `the constant stretches "${x}"`;
    const shifts = found.t.some((value) => value !== 0);
    if (shifts && isPadded(layer!)) return 'the layer pads what the constant shifted';
    const hasBias = layer!.op !== 'MatMul' || after.axis === 1 || !shifts;
    return hasBias ? undefined : 'a product of more than two axes has no bias to take it';
  },

  rewrite: ({ nodes: { layer, scale }, values: { x, c } }, edit) => {
    const after = affine(layer!, edit);
    const { s, t } = scaleOf(scale!, x!, after.axis, rankOf(after), after.inputs, edit) as {
      s: Float64Array;
      t: Float64Array;
    };
    const output = scaleInputs(edit, after, s, t, x!, { wish: c!, readers: [scale!] });
    return { outputs: [output], why: `into ${layer!.op} "${layer!.name}" behind it` };
  },

  samples: [
    {
      about: 'pixels made small, before a padded convolution',
      leaves: 'Conv',
      build: (g) =>
        g.Conv(g.Div(g.input('x', 'float32', [1, 2, 4, 4]), 255), values(g, [3, 2, 3, 3]), { pads: [1, 1, 1, 1] }),
    },
    {
      about: 'centred features, before a dense layer',
      leaves: 'Gemm',
      build: (g) => g.Gemm(g.Sub(g.input('x', 'float32', [2, 3]), values(g, [3])), values(g, [3, 4]), values(g, [4])),
    },
    {
      about: 'scaled features, before a product over many axes',
      leaves: 'MatMul',
      build: (g) => g.MatMul(g.Mul(g.input('x', 'float32', [2, 5, 3]), values(g, [3])), values(g, [3, 4])),
    },
    {
      about: 'centred pixels, before a padded convolution',
      build: (g) =>
        g.Conv(g.Sub(g.input('x', 'float32', [1, 2, 4, 4]), values(g, [2, 1, 1])), values(g, [3, 2, 3, 3]), {
          pads: [1, 1, 1, 1],
        }),
      fires: false,
    },
  ],
});
