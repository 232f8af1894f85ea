/**
 * The slopes of pooling in the forms that the engine runs fastest.
 *
 * Windows that tile (stride = kernel, no padding) are undone by nearest-neighbour upsampling:
 *   isMax = (X = up(Y));  dX = isMax · up(dY / count),  count = maxima per window (ties share the slope)
 * Overlapping windows scatter each slope to the place of its maximum.
 */

import { float32, zeros } from '../graph/tensor.ts';
import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';
import type { Window, WindowAttrs } from './window.ts';

const product = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);

const isTiling = ({ kernel, strides, dilations, begin, end }: Window): boolean =>
  kernel.every((k, i) => strides[i] === k && dilations[i] === 1 && begin[i] === 0 && end[i] === 0);

/** x with every element repeated `kernel` times along its spatial axes. */
const upsample = (x: StaticValue, kernel: readonly number[], g: Builder): StaticValue => {
  const sizes = x.dims.map((dim, i) => (i < 2 ? dim : dim * kernel[i - 2]!));
  return g.Resize(x, null, null, sizes, {
    mode: 'nearest',
    nearest_mode: 'floor',
    coordinate_transformation_mode: 'asymmetric',
  });
};

/** Brings x to the spatial size of `dims` by cutting the end. */
const crop = (x: StaticValue, dims: readonly number[], g: Builder): StaticValue => {
  const axes = dims.flatMap((dim, i) => (x.dims[i] === dim ? [] : [i]));
  return axes.length === 0
    ? x
    : g.Slice(
        x,
        axes.map(() => 0),
        axes.map((axis) => dims[axis]!),
        axes,
      );
};

/** Brings x to `dims` by zeros at the end. */
const padEnd = (x: StaticValue, dims: readonly number[], g: Builder): StaticValue =>
  dims.every((dim, i) => x.dims[i] === dim)
    ? x
    : g.Pad(x, [...dims.map(() => 0), ...dims.map((dim, i) => dim - x.dims[i]!)]);

/** Up to this many elements of a row of windows a product with ones sums them faster than the pool of the engine does. */
const MOST_SUMMED = 128;

/** The sum of each window of x [N, C, h·kh, w·kw], tiled by a plane of kernels: [N, C, h, w]. */
function windowSums(x: StaticValue, kernel: readonly number[], g: Builder): StaticValue {
  const [n, channels, height, width] = x.dims as [number, number, number, number];
  const [kh, kw] = kernel as [number, number];
  if (kernel.length !== 2 || kh * width > MOST_SUMMED) {
    return g.Mul(g.AveragePool(x, { kernel_shape: [...kernel], strides: [...kernel] }), product(kernel));
  }
  const wide = width / kw;
  const ones = new Float32Array(kh * width * wide);
  for (let i = 0; i < kh * width; i++) ones[i * wide + Math.floor((i % width) / kw)] = 1;
  const rows = g.reshape(x, [(n * channels * height) / kh, kh * width]);
  const sums = g.MatMul(rows, g.constant(float32([kh * width, wide], ones), 'window_sums'));
  return g.reshape(sums, [n, channels, height / kh, wide]);
}

/** dX of a max-pool. */
export function maxPoolSlope(
  X: StaticValue,
  Y: StaticValue,
  dY: StaticValue,
  window: Window,
  attrs: WindowAttrs & { readonly kernel_shape: readonly number[] },
  g: Builder,
): StaticValue {
  const { kernel } = window;
  const tiles = Y.dims.map((dim, i) => (i < 2 ? dim : dim * kernel[i - 2]!));
  if (isTiling(window) && tiles.every((dim, i) => dim <= X.dims[i]!)) {
    const isMax = g.Cast(g.Equal(crop(X, tiles, g), upsample(Y, kernel, g)), { to: 1 });
    const maxima = windowSums(isMax, kernel, g);
    return padEnd(g.Mul(isMax, upsample(g.Div(dY, maxima), kernel, g)), X.dims, g);
  }
  const [, indices] = g.emit('MaxPool', [X], { ...attrs, kernel_shape: [...kernel] }, { outputs: 2 });
  const flat = g.constant(zeros('float32', [product(X.dims)]), 'pool_zeros');
  const count = product(dY.dims);
  const scattered = g.ScatterElements(flat, g.reshape(indices!, [count]), g.reshape(dY, [count]), {
    axis: 0,
    reduction: 'add',
  });
  return g.reshape(scattered, X.dims);
}

/** dX of an average-pool: each slope spread evenly over its window. */
export function avgPoolSlope(
  dims: readonly number[],
  dY: StaticValue,
  window: Window,
  countsPads: boolean,
  g: Builder,
): StaticValue {
  const { kernel, strides, dilations, begin, end } = window;
  const tiles = dY.dims.map((dim, i) => (i < 2 ? dim : dim * kernel[i - 2]!));
  if (isTiling(window) && tiles.every((dim, i) => dim <= dims[i]!)) {
    return padEnd(upsample(g.Mul(dY, 1 / product(kernel)), kernel, g), dims, g);
  }
  const [n, channels] = dims as [number, number];
  const spatial = dims.slice(2);
  // How many elements each window averages: all of the kernel, or those inside the input.
  const slope = g.reshape(dY, [n * channels, 1, ...dY.dims.slice(2)]);
  const ones = { kernel: [1, 1, ...kernel] };
  const all = g.constant(
    { dtype: 'float32', dims: ones.kernel, bytes: new Uint8Array(new Float32Array(product(kernel)).fill(1).buffer) },
    'pool_ones',
  );
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  const outs = dY.dims.slice(2);
  // Where ceil_mode lets the last window hang over the end, the end pad grows by what hangs over.
  const endPads = spatial.map((size, i) =>
    Math.max(end[i]!, (outs[i]! - 1) * strides[i]! + reach[i]! - size - begin[i]!),
  );
  const geometry = { strides: [...strides], dilations: [...dilations], pads: [...begin, ...endPads] };
  const inside = g.constant(
    {
      dtype: 'float32',
      dims: [1, 1, ...spatial],
      bytes: new Uint8Array(new Float32Array(product(spatial)).fill(1).buffer),
    },
    'pool_inside',
  );
  const counts = countsPads ? g.scalar(product(kernel)) : g.Conv(inside, all, geometry);
  const output_padding = spatial.map(
    (size, i) => size - ((outs[i]! - 1) * strides[i]! + reach[i]! - begin[i]! - endPads[i]!),
  );
  return g.reshape(g.ConvTranspose(g.Div(slope, counts), all, { ...geometry, output_padding }), dims);
}
