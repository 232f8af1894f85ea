/** Gemm spelt out: α · A·B + β · C with constants multiplied into the weights. Not part of `simplify`. */

import { affine, affineOf } from '../affine.ts';
import { mapElements, permuted, rounded } from '../arithmetic.ts';
import { numberAttr } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

export const gemmToMatmulAdd = rule({
  name: 'gemm-to-matmul-add',
  about: 'Gemm with constant weights becomes MatMul and Add.',
  pattern: node('Gemm', [any('a')], { as: 'gemm' }),

  check: ({ nodes: { gemm } }, net) => {
    if (numberAttr(gemm!, 'transA', 0) === 1) return 'it reads its input transposed';
    const layer = affineOf(gemm!, net);
    return typeof layer === 'string' ? layer : undefined;
  },

  rewrite: ({ nodes: { gemm }, values: { a } }, edit) => {
    const { W, b } = affine(gemm!, edit);
    const [, weight = '', bias = ''] = gemm!.inputs;
    const alpha = numberAttr(gemm!, 'alpha', 1);
    const turned = numberAttr(gemm!, 'transB', 0) === 1 ? permuted(W, [1, 0]) : W;
    const scaled = alpha === 1 ? turned : mapElements(turned, (value) => alpha * value);
    const w = scaled === W ? weight : edit.reweigh(weight, scaled, gemm!);
    const product = edit.emit('MatMul', [a!, w], {}, { like: gemm! });
    if (!b) return { outputs: [product], why: 'as MatMul' };
    const c = edit.reweigh(bias, rounded(W.dtype, [b.length], b), gemm!);
    return { outputs: [edit.emit('Add', [product, c])], why: 'as MatMul and Add' };
  },

  samples: [
    {
      about: 'with its weight transposed, alpha and beta',
      leaves: 'MatMul Add',
      build: (g) =>
        g.Gemm(g.input('x', 'float32', [2, 3]), values(g, [4, 3]), values(g, [1, 4]), {
          transB: 1,
          alpha: 0.5,
          beta: 3,
        }),
    },
    {
      about: 'without bias',
      leaves: 'MatMul',
      build: (g) => g.Gemm(g.input('x', 'float32', [2, 3]), values(g, [3, 4])),
    },
  ],
});
