/** Convolutions beside the plain 2-D one. */

import { constant, heNormal, type Initializer } from './initializer.ts';
import { fixed, type Layer } from './layer.ts';
import type { Conv2dOptions } from './layers.ts';

const sideOf = (pad: 'valid' | 'same' | number, kernel: number, dilation: number): number =>
  pad === 'valid' ? 0 : pad === 'same' ? Math.floor((dilation * (kernel - 1)) / 2) : pad;

/** Convolution of sequences [N, C, T] with `filters` kernels of length `kernel`. Options as `conv2d`, in steps. */
export const conv1d =
  (filters: number, kernel: number, options: Conv2dOptions = {}): Layer =>
  (x, { g, name, weight }) => {
    const { stride = 1, pad = 'valid', dilation = 1, groups = 1, bias = true, init = heNormal } = options;
    const layer = name('conv');
    const W = weight(`${layer}.weight`, [filters, fixed(x.dims[1]) / groups, kernel], init);
    const B = bias ? weight(`${layer}.bias`, [filters], constant(0)) : null;
    const side = sideOf(pad, kernel, dilation);
    const attrs = {
      kernel_shape: [kernel],
      strides: [stride],
      pads: [side, side],
      dilations: [dilation],
      group: groups,
    };
    return g.emit('Conv', [x, W, B], attrs, { name: layer })[0]!;
  };

/** Every channel with kernels of its own: [N, C, H, W] → [N, C · multiplier, ...]. Howard et al. 2017, arXiv:1704.04861. */
export const depthwiseConv2d =
  (
    kernel: number,
    { multiplier = 1, ...options }: Omit<Conv2dOptions, 'groups'> & { multiplier?: number } = {},
  ): Layer =>
  (x, { g, name, weight }) => {
    const { stride = 1, pad = 'valid', dilation = 1, bias = true, init = heNormal } = options;
    const layer = name('depthwise');
    const channels = fixed(x.dims[1]);
    const W = weight(`${layer}.weight`, [channels * multiplier, 1, kernel, kernel], init);
    const B = bias ? weight(`${layer}.bias`, [channels * multiplier], constant(0)) : null;
    const side = sideOf(pad, kernel, dilation);
    const attrs = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [side, side, side, side],
      dilations: [dilation, dilation],
      group: channels,
    };
    return g.emit('Conv', [x, W, B], attrs, { name: layer })[0]!;
  };

export interface ConvTransposeOptions {
  /** How much larger the output is, in pixels per pixel. Default 1. */
  stride?: number;
  /** Pixels cut from every side of the output. Default 0. */
  pad?: number;
  /** Pixels added to the bottom and the right, where the stride leaves the size open. Default 0. */
  outputPad?: number;
  /** Default true. */
  bias?: boolean;
  init?: Initializer;
}

/** The convolution that runs backwards: [N, C, H, W] → [N, filters, (H − 1) · stride + kernel − 2 pad + outputPad, ...]. */
export const convTranspose2d =
  (filters: number, kernel: number, options: ConvTransposeOptions = {}): Layer =>
  (x, { g, name, weight }) => {
    const { stride = 1, pad = 0, outputPad = 0, bias = true, init = heNormal } = options;
    const layer = name('convTranspose');
    const W = weight(`${layer}.weight`, [fixed(x.dims[1]), filters, kernel, kernel], init);
    const B = bias ? weight(`${layer}.bias`, [filters], constant(0)) : null;
    const attrs = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      output_padding: [outputPad, outputPad],
    };
    return g.emit('ConvTranspose', [x, W, B], attrs, { name: layer })[0]!;
  };

const pool1d =
  (op: 'MaxPool' | 'AveragePool', kind: string) =>
  (size: number, { stride = size, pad = 0 }: { stride?: number; pad?: number } = {}): Layer =>
  (x, { g, name }) =>
    g.emit(op, [x], { kernel_shape: [size], strides: [stride], pads: [pad, pad] }, { name: name(kind) })[0]!;
/** Largest of each window of `size` steps of [N, C, T]. */
export const maxPool1d = pool1d('MaxPool', 'maxPool');
/** Mean of each window of `size` steps of [N, C, T]. */
export const averagePool1d = pool1d('AveragePool', 'averagePool');
