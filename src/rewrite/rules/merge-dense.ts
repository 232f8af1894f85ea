/**
 * A dense layer right after a dense layer is one, where that multiplies less.
 *
 *   (x · W₁ + b₁) · W₂ + b₂ = x · (W₁ · W₂) + (b₁ · W₂ + b₂)          if in · out ≤ mid · (in + out)
 */

import { type Affine, affine, affineOf } from '../affine.ts';
import { doubles, rounded } from '../arithmetic.ts';
import { isQuantized, numberAttr } from '../attribute.ts';
import { product, turned } from '../matrix.ts';
import type { Edit } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

/** [in, out], alpha multiplied in. */
function matrixOf({ node, W, inputs, channels }: Affine): Float64Array {
  const alpha = numberAttr(node, 'alpha', 1);
  const plain = doubles(W);
  const matrix = numberAttr(node, 'transB', 0) === 1 ? turned(plain, channels, inputs) : plain;
  return alpha === 1 ? matrix : matrix.map((value) => alpha * value);
}

export const mergeDense = rule({
  name: 'merge-dense',
  about: 'Two dense layers in a row become one where that takes fewer multiplications.',
  pattern: node(['Gemm', 'MatMul'], [node(['Gemm', 'MatMul'], [any('x')], { as: 'first', once: true })], {
    as: 'second',
  }),

  check: ({ nodes: { first, second }, values: { x } }, net) => {
    for (const layer of [first!, second!]) {
      const read = affineOf(layer, net);
      if (typeof read === 'string') return read;
      if (numberAttr(layer, 'transA', 0) === 1) return `"${layer.name}" reads its input transposed`;
      if (isQuantized(layer, net)) return `"${layer.name}" is quantised`;
    }
    const [a, b] = [affine(first!, net), affine(second!, net)];
    if (a.W.dtype !== b.W.dtype) return 'the weights differ in type';
    if (second!.op === 'Gemm' && net.dims(x!)?.length !== 2) return `the rank of "${x}" is not known`;
    const [before, after] = [a.channels * (a.inputs + b.channels), a.inputs * b.channels];
    return after <= before ? undefined : `as one it takes ${after} multiplications, as two ${before}`;
  },

  rewrite: ({ nodes: { first, second }, values: { x } }, edit: Edit) => {
    const [a, b] = [affine(first!, edit), affine(second!, edit)];
    const second64 = matrixOf(b);
    const W = product(matrixOf(a), second64, a.inputs, a.channels, b.channels);
    const w = edit.reweigh(second!.inputs[1]!, rounded(b.W.dtype, [a.inputs, b.channels], W), second!);
    const moved = a.b && product(a.b, second64, 1, a.channels, b.channels);
    const bias = moved ? moved.map((value, i) => value + (b.b?.[i] ?? 0)) : b.b;
    const why = `with ${first!.op} "${first!.name}"`;
    if (!bias) return { outputs: [edit.emit('MatMul', [x!, w], {}, { like: second! })], why };
    const c = edit.reweigh(
      second!.inputs[2] || first!.inputs[2]!,
      rounded(b.W.dtype, [bias.length], bias),
      first!,
      second!,
    );
    // A Gemm on either side means matrices on both.
    return { outputs: [edit.emit('Gemm', [x!, w, c], {}, { like: second! })], why };
  },

  samples: [
    {
      about: 'with biases, alpha and a transposed weight',
      leaves: 'Gemm',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 4]);
        const first = g.Gemm(x, values(g, [5, 4]), values(g, [5]), { transB: 1, alpha: 0.5 });
        return g.Gemm(first, values(g, [5, 3]), values(g, [3]), { beta: 2 });
      },
    },
    {
      about: 'products over many axes',
      leaves: 'MatMul',
      build: (g) => g.MatMul(g.MatMul(g.input('x', 'float32', [2, 3, 4]), values(g, [4, 4])), values(g, [4, 4])),
    },
    {
      about: 'a product, then a layer with bias',
      leaves: 'Gemm',
      build: (g) =>
        g.Gemm(g.MatMul(g.input('x', 'float32', [2, 4]), values(g, [4, 4])), values(g, [4, 2]), values(g, [2])),
    },
    {
      about: 'through a narrow middle',
      build: (g) => g.MatMul(g.MatMul(g.input('x', 'float32', [2, 6]), values(g, [6, 2])), values(g, [2, 6])),
      fires: false,
    },
  ],
});
