/**
 * An image is flattened with its channels last, and the weight behind it reads them in that order.
 *
 *   Flatten(x [N, C, H, W]) · W [C · H · W, M]  =  Flatten(x [N, H, W, C]) · W [H · W · C, M]
 *
 * The engine's integer kernels keep channels last: for them the Transpose is none.
 */

import { isStatic } from '../../graph/dim.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import { permuted } from '../arithmetic.ts';
import { numberAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

/** Ops whose results lie with channels last in the engine, if they run on integers. */
const OF_IMAGES = new Set(['Conv', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'Relu', 'LeakyRelu', 'Clip', 'Add']);
/** Beyond so many numbers turning the weight takes longer than is won. */
const MOST = 2 ** 24;

export const flattenChannelsLast = rule({
  name: 'flatten-channels-last',
  about: 'An image is flattened with its channels last, for integer kernels that keep them there.',
  pattern: node(['Gemm', 'MatMul'], [node(['Flatten', 'Reshape'], [any('x')], { as: 'flat', once: true })], {
    as: 'dense',
  }),

  where: ({ nodes: { flat }, values: { x } }, net) => {
    const image = imageOf(x!, net);
    const rows = net.dims(flat!.outputs[0]!);
    return image !== undefined && rows?.length === 2 && rows[1] === sizeOf(image);
  },

  check: ({ nodes: { dense } }, net) => {
    if (numberAttr(dense!, 'transA', 0) === 1) return `"${dense!.name}" reads its input transposed`;
    const weight = net.constant(dense!.inputs[1]!);
    if (!weight || weight.dims.length !== 2) return `the weight "${dense!.inputs[1]}" is not a constant matrix`;
    return sizeOf(weight.dims) <= MOST ? undefined : `the weight "${dense!.inputs[1]}" is large`;
  },

  rewrite: ({ nodes: { flat, dense }, values: { x } }, edit) => {
    const [channels, height, width] = imageOf(x!, edit)!;
    const [, weight, ...bias] = dense!.inputs as [string, string, ...string[]];
    const last = edit.emit('Transpose', [x!], { perm: [0, 2, 3, 1] });
    const rows = edit.emit(flat!.op, [last, ...flat!.inputs.slice(1)], flat!.attrs, { like: flat! });
    const W = edit.constant(weight)!;
    const isTurned = numberAttr(dense!, 'transB', 0) === 1;
    const [first, second] = W.dims as [number, number];
    const apart = isTurned ? [first, channels, height, width] : [channels, height, width, second];
    const moved: Tensor = permuted({ ...W, dims: apart }, isTurned ? [0, 2, 3, 1] : [1, 2, 0, 3]);
    const w = edit.reweigh(weight, { ...moved, dims: W.dims }, dense!);
    return {
      outputs: [edit.emit(dense!.op, [rows, w, ...bias], dense!.attrs, { like: dense! })],
      why: `${channels} channels last`,
    };
  },

  samples: [
    {
      about: 'Flatten and a Gemm with a transposed weight',
      leaves: 'MaxPool Transpose Flatten Gemm',
      build: (g) => {
        const pooled = g.MaxPool(g.input('x', 'float32', [2, 3, 4, 6]), { kernel_shape: [2, 2], strides: [2, 2] });
        return g.Gemm(g.Flatten(pooled), values(g, [5, 18]), values(g, [5]), { transB: 1 });
      },
    },
    {
      about: 'Reshape and MatMul',
      leaves: 'Relu Transpose Reshape MatMul',
      build: (g) => g.MatMul(g.Reshape(g.Relu(g.input('x', 'float32', [2, 3, 2, 5])), [0, -1]), values(g, [30, 4])),
    },
    {
      about: 'one channel',
      build: (g) => g.MatMul(g.Flatten(g.Relu(g.input('x', 'float32', [2, 1, 2, 5]))), values(g, [10, 4])),
      fires: false,
    },
    {
      about: 'an input that nothing was done to',
      build: (g) => g.MatMul(g.Flatten(g.input('x', 'float32', [2, 3, 2, 5])), values(g, [30, 4])),
      fires: false,
    },
    {
      about: 'several rows of an image',
      build: (g) => g.MatMul(g.Reshape(g.Relu(g.input('x', 'float32', [2, 3, 2, 5])), [6, 10]), values(g, [10, 4])),
      fires: false,
    },
  ],
});

/** Channels, height and width of an image of several channels that an op of images made. */
function imageOf(name: string, net: Net): readonly [number, number, number] | undefined {
  const maker = net.maker(name);
  const dims = net.dims(name)?.slice(1);
  if (!maker || !OF_IMAGES.has(maker.op) || !dims || dims.length !== 3 || !isStatic(dims) || dims[0] === 1) {
    return undefined;
  }
  return dims as unknown as readonly [number, number, number];
}
