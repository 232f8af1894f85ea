/** The layers of feed-forward and convolutional networks. */

import { tensor } from '../graph/tensor.ts';
import type { Value } from '../ops/op.ts';
import { constant, glorotUniform, heNormal, type Initializer, turned } from './initializer.ts';
import { fixed, type Layer, type Making, perSample } from './layer.ts';

export interface Conv2dOptions {
  /** Steps between windows, in pixels. Default 1. */
  stride?: number;
  /** 'valid' (none), 'same' (output size = input size / stride) or pixels on every side. Default 'valid'. */
  pad?: 'valid' | 'same' | number;
  /** Default 1. */
  dilation?: number;
  /** Default 1; as many as input channels makes it depthwise. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Default He normal. */
  init?: Initializer;
}

/** Convolution of [N, C, H, W] with `filters` kernels of size `kernel` × `kernel`. */
export const conv2d =
  (filters: number, kernel: number, options: Conv2dOptions = {}): Layer =>
  (x, { g, name, weight }) => {
    const { stride = 1, pad = 'valid', dilation = 1, groups = 1, bias = true, init = heNormal } = options;
    const layer = name('conv');
    const W = weight(`${layer}.weight`, [filters, fixed(x.dims[1]) / groups, kernel, kernel], init);
    const B = bias ? weight(`${layer}.bias`, [filters], constant(0)) : null;
    const side = pad === 'valid' ? 0 : pad === 'same' ? Math.floor((dilation * (kernel - 1)) / 2) : pad;
    const attrs = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [side, side, side, side],
      dilations: [dilation, dilation],
      group: groups,
    };
    return g.emit('Conv', [x, W, B], attrs, { name: layer })[0]!;
  };

/**
 * Fully connected over the last axis: [N, in] · Wᵀ + b → [N, units], W [units, in]; for sequences [N, T, in] · W + b → [N, T, units],
 * W [in, units].
 */
export const dense =
  (units: number, { bias = true, init = heNormal }: { bias?: boolean; init?: Initializer } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('dense');
    if (x.dims.length > 2) return projection(layer, units, { bias, init })(x, { g, weight });
    const W = weight(`${layer}.weight`, [units, perSample(x)], init);
    const B = bias ? weight(`${layer}.bias`, [units], constant(0)) : null;
    return g.emit('Gemm', [x, W, B], { transB: 1 }, { name: layer })[0]!;
  };

/** x [..., in] · W + b for a layer that has its name already. */
export const projection =
  (layer: string, units: number, { bias = true, init = glorotUniform }: { bias?: boolean; init?: Initializer } = {}) =>
  (x: Value, { g, weight }: Pick<Making, 'g' | 'weight'>): Value => {
    const W = weight(`${layer}.weight`, [fixed(x.dims[x.dims.length - 1]), units], turned(init));
    const product = g.emit('MatMul', [x, W], {}, { name: layer })[0]!;
    if (!bias) return product;
    return g.emit('Add', [product, weight(`${layer}.bias`, [units], constant(0))], {}, { name: `${layer}_bias` })[0]!;
  };

/** A dense layer before a softmax begins smaller. */
export const classifier = (classes: number): Layer => dense(classes, { init: glorotUniform });

const activation =
  (op: 'Relu' | 'Sigmoid' | 'Tanh' | 'Gelu' | 'LeakyRelu', kind: string): (() => Layer) =>
  () =>
  (x, { g, name }) =>
    g.emit(op, [x], {}, { name: name(kind) })[0]!;
export const relu = activation('Relu', 'relu');
export const sigmoid = activation('Sigmoid', 'sigmoid');
export const tanh = activation('Tanh', 'tanh');
export const gelu = activation('Gelu', 'gelu');
export const leakyRelu = activation('LeakyRelu', 'leakyRelu');

/** min(max(x, 0), 6). */
export const relu6 =
  (): Layer =>
  (x, { g, name }) =>
    g.emit('Clip', [x, 0, 6], {}, { name: name('relu6') })[0]!;

/** Over the last axis. */
export const softmax =
  (): Layer =>
  (x, { g, name }) =>
    g.emit('Softmax', [x], { axis: -1 }, { name: name('softmax') })[0]!;

/** Largest of each `size` × `size` window; windows do not overlap unless `stride` is smaller. */
export const maxPool2d =
  (size: number, { stride = size, pad = 0 }: { stride?: number; pad?: number } = {}): Layer =>
  (x, { g, name }) =>
    g.emit(
      'MaxPool',
      [x],
      { kernel_shape: [size, size], strides: [stride, stride], pads: [pad, pad, pad, pad] },
      { name: name('maxPool') },
    )[0]!;

/** Mean of each window. */
export const averagePool2d =
  (size: number, { stride = size }: { stride?: number } = {}): Layer =>
  (x, { g, name }) =>
    g.emit(
      'AveragePool',
      [x],
      { kernel_shape: [size, size], strides: [stride, stride] },
      { name: name('averagePool') },
    )[0]!;

/** [N, C, H, W] → [N, C, 1, 1]. */
export const globalAveragePool =
  (): Layer =>
  (x, { g, name }) =>
    g.emit('GlobalAveragePool', [x], {}, { name: name('globalAveragePool') })[0]!;

/** [N, ...] → [N, elements]. */
export const flatten =
  (): Layer =>
  (x, { g, name }) =>
    g.emit('Flatten', [x], { axis: 1 }, { name: name('flatten') })[0]!;

/** While learning, a share of the elements is dropped. */
export const dropout =
  (share = 0.5): Layer =>
  (x, { g, name }) => {
    const layer = name('dropout');
    return g.emit(
      'Dropout',
      [x, g.constant(tensor('float32', [], [share]), `${layer}.ratio`)],
      { seed: seedOf(layer) },
      { name: layer },
    )[0]!;
  };

const seedOf = (layer: string): number => Number(/\d+$/.exec(layer)?.[0] ?? 0);

/** Normalises each channel by the batch's statistics while learning, by the running ones afterwards. Ioffe and Szegedy 2015, arXiv:1502.03167. */
export const batchNorm =
  ({ epsilon = 1e-5, momentum = 0.9 }: { epsilon?: number; momentum?: number } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('batchNorm');
    const channels = [fixed(x.dims[1])];
    const operands = [
      x,
      weight(`${layer}.weight`, channels, constant(1)),
      weight(`${layer}.bias`, channels, constant(0)),
      weight(`${layer}.running_mean`, channels, constant(0)),
      weight(`${layer}.running_var`, channels, constant(1)),
    ];
    return g.emit('BatchNormalization', operands, { epsilon, momentum }, { name: layer })[0]!;
  };

/** x + f(x), or short(x) + f(x). He et al. 2015, arXiv:1512.03385. */
export const residual =
  (f: Layer, short?: Layer): Layer =>
  (x, make) =>
    make.g.emit('Add', [f(x, make), short ? short(x, make) : x], {}, { name: make.name('add') })[0]!;
