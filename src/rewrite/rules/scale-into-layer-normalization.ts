/** Mul and Add with constants after LayerNormalization become its Scale and B; RMSNormalization has no B. */

import { isStatic } from '../../graph/dim.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { isCalculable, mapElements } from '../arithmetic.ts';
import { numberAttr, sameDims, uniform } from '../attribute.ts';
import { combine } from '../broadcast.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

export const scaleIntoLayerNormalization = rule({
  name: 'scale-into-layer-normalization',
  about: 'Mul and Add with constants after LayerNormalization become its Scale and B, Mul that of RMSNormalization.',
  pattern: node(
    ['Mul', 'Add'],
    [
      node(['LayerNormalization', 'RMSNormalization'], [any('x'), constant('scale')], { as: 'norm', once: true }),
      constant('c'),
    ],
    { as: 'next', commutes: true },
  ),

  check: ({ nodes: { norm, next }, values: { x, scale, c } }, net) => {
    if (norm!.op === 'RMSNormalization' && next!.op === 'Add') return 'it has no bias';
    const dims = net.dims(x!);
    if (!dims) return `the rank of "${x}" is not known`;
    const axis = numberAttr(norm!, 'axis', -1);
    const sizes = dims.slice(axis < 0 ? axis + dims.length : axis);
    if (!isStatic(sizes)) return 'the size of its axes is not known';
    const [S, C] = [net.constant(scale!)!, net.constant(c!)!];
    const bias = norm!.inputs[2];
    if (bias && !net.constant(bias)) return `"${bias}" is not a constant`;
    if (!isCalculable(C) || S.dtype !== C.dtype) return `"${c}" is ${C.dtype}`;
    const stretched = combine({ ...S, dims: sizes }, C, () => 0);
    return sizeOf(S.dims) === sizeOf(sizes) && sameDims(stretched?.dims, sizes)
      ? undefined
      : `"${c}" varies outside the axes`;
  },

  rewrite: ({ nodes: { norm, next }, values: { x, scale, c } }, edit) => {
    const S = edit.constant(scale!)!;
    const C = edit.constant(c!)!;
    const bias = norm!.inputs[2];
    const B = bias ? edit.constant(bias)! : undefined;
    const isScale = next!.op === 'Mul';
    // A Mul makes c the scale, an Add makes c the bias: their names serve on where the constants do.
    const spread = (t: typeof S, f: (a: number, b: number) => number) => combine(t, C, f)!;
    const isNew = uniform(scale, edit) === 1;
    const s = isScale
      ? edit.reweigh(
          isNew ? c! : scale!,
          spread(S, (a, b) => a * b),
          norm!,
          next!,
        )
      : scale!;
    const moved = isScale ? B && spread(B, (a, b) => a * b) : spread(B ?? mapElements(S, () => 0), (a, b) => a + b);
    const b = moved && edit.reweigh(isScale ? bias! : bias || c!, moved, norm!, next!);
    const output = edit.emit(norm!.op, b ? [x!, s, b] : [x!, s], norm!.attrs, { like: norm! });
    return { outputs: [output], why: `as the ${isScale ? 'scale' : 'bias'} of "${norm!.name}"` };
  },

  samples: [
    {
      about: 'a scale, then a bias',
      leaves: 'LayerNormalization',
      build: (g) => {
        const y = g.LayerNormalization(g.input('x', 'float32', [2, 3, 8]), values(g, [8]));
        return g.Add(values(g, [8], 4), g.Mul(y, values(g, [8], 3)));
      },
    },
    {
      about: 'a number after a layer with bias',
      leaves: 'LayerNormalization',
      build: (g) => g.Mul(g.LayerNormalization(g.input('x', 'float32', [2, 3, 8]), values(g, [8]), values(g, [8])), 2),
    },
    {
      about: 'a scale that varies outside the axes',
      build: (g) => g.Mul(g.LayerNormalization(g.input('x', 'float32', [2, 3, 8]), values(g, [8])), values(g, [3, 1])),
      fires: false,
    },
  ],
});
