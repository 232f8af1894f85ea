/** MatMul of two matrices, then a bias per column, is one Gemm. */

import { isStatic } from '../../graph/dim.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { isQuantized } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

export const matmulAddToGemm = rule({
  name: 'matmul-add-to-gemm',
  about: 'MatMul of matrices and Add of a bias become Gemm.',
  pattern: node('Add', [node('MatMul', [any('a'), any('b')], { as: 'product', once: true }), any('c')], {
    as: 'sum',
    commutes: true,
  }),
  where: ({ values: { product } }, net) => net.dims(product!)?.length === 2,

  check: ({ nodes: { product }, values: { a, b, c, product: y } }, net) => {
    if (net.dims(a!)?.length !== 2 || net.dims(b!)?.length !== 2) return 'the operands are no matrices';
    if (isQuantized(product!, net)) return 'the product is quantised';
    const dtype = net.fact(y!)?.dtype;
    if (dtype !== 'float32' && dtype !== 'float16' && dtype !== 'float64') return `the product is ${dtype}`;
    const dims = net.dims(c!);
    if (!dims || !isStatic(dims)) return `the dimensions of "${c}" are not known`;
    // A batch of 1 makes a residual look like a bias, and integers want their biases constant.
    if (dims.length > 1 && !net.constant(c!)) return `"${c}" is computed`;
    const columns = net.dims(y!)![1];
    const isRow = dims.length <= 2 && dims.every((dim, i) => dim === 1 || i === dims.length - 1);
    return isRow && (sizeOf(dims) === 1 || sizeOf(dims) === columns) ? undefined : `"${c}" is no bias per column`;
  },

  rewrite: ({ nodes: { product }, values: { a, b, c } }, edit) => ({
    outputs: [edit.emit('Gemm', [a!, b!, c!], {}, { like: product! })],
    why: `with MatMul "${product!.name}"`,
  }),

  samples: [
    {
      about: 'a dense layer',
      leaves: 'Gemm',
      build: (g) => g.Add(g.MatMul(g.input('x', 'float32', [2, 3]), values(g, [3, 4])), values(g, [4])),
    },
    {
      about: 'two matrices that are fed, and a number',
      leaves: 'Gemm',
      build: (g) => g.Add(g.scalar(2), g.MatMul(g.input('x', 'float32', [2, 3]), g.input('z', 'float32', [3, 4]))),
    },
    {
      about: 'a residual',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3]);
        return g.Add(g.MatMul(x, values(g, [3, 3])), x);
      },
      fires: false,
    },
    {
      about: 'a residual of one row',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 3]);
        return g.Add(g.MatMul(x, values(g, [3, 3])), x);
      },
      fires: false,
    },
  ],
});
