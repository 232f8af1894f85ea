/** Pools of ONNX Runtime on integers; their channels come first, or last. */

import type { Dim } from '../../graph/model.ts';
import type { Builder } from '../builder.ts';
import { carried } from '../carried.ts';
import { int, ints, type StaticValue, text, type Value } from '../op.ts';
import { gridded, kernel, real, stored } from '../quantized.ts';
import { windowOf } from '../window.ts';

const domain = 'com.microsoft';

const channelsOf = (X: Value, last: number) => (last === 1 ? X.dims.length - 1 : 1);

/** What `make` does to channels in front, done to channels behind. */
function channelsFirst(x: StaticValue, last: number, g: Builder, make: (x: StaticValue) => StaticValue): StaticValue {
  if (last !== 1) return make(x);
  const rank = x.dims.length;
  const forward = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === 1 ? rank - 1 : i - 1));
  const back = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === rank - 1 ? 1 : i + 1));
  return g.Transpose(make(g.Transpose(x, { perm: forward })), { perm: back });
}

export const QLinearGlobalAveragePool = kernel('QLinearGlobalAveragePool', {
  domain,
  inputs: ['X', 'x_scale', 'x_zero', 'y_scale', 'y_zero'],
  attrs: { channels_last: int(0) },
  shape: ({ X }, { channels_last }) =>
    X.dims.map((dim, i): Dim => (i === 0 || i === channelsOf(X, channels_last) ? dim : 1)),
  decompose: ({ X, x_scale, x_zero, y_scale, y_zero }, { channels_last }, g) => {
    const pooled = channelsFirst(real(X, x_scale, x_zero, g), channels_last, g, (x) => g.GlobalAveragePool(x));
    return stored(pooled, y_scale, y_zero, X, g);
  },
  samples: [{ ...gridded }, { ...gridded, attrs: { channels_last: 1 } }],
});

export const QLinearAveragePool = kernel('QLinearAveragePool', {
  domain,
  inputs: ['X', 'x_scale', 'x_zero?', 'y_scale', 'y_zero?'],
  attrs: {
    auto_pad: text('NOTSET'),
    kernel_shape: ints([]),
    strides: ints(),
    pads: ints(),
    ceil_mode: int(0),
    count_include_pad: int(0),
    channels_last: int(0),
  },
  shape: ({ X }, a) => {
    const spatial = a.channels_last === 1 ? X.dims.slice(1, -1) : X.dims.slice(2);
    const { out } = windowOf(spatial, a.kernel_shape, a);
    const channel = X.dims[channelsOf(X, a.channels_last)]!;
    return a.channels_last === 1 ? [X.dims[0]!, ...out, channel] : [X.dims[0]!, channel, ...out];
  },
  decompose: ({ X, x_scale, x_zero, y_scale, y_zero }, { channels_last, ...a }, g) => {
    const pooled = channelsFirst(real(X, x_scale, x_zero, g), channels_last, g, (x) => g.AveragePool(x, a));
    return stored(pooled, y_scale, y_zero, X, g);
  },
  samples: [
    { ...gridded, attrs: { kernel_shape: [2, 1] } },
    { ...gridded, attrs: { kernel_shape: [1, 2], channels_last: 1 } },
  ],
});

/** NHWC twins of the standard pools and convolutions hold integers alone; their channel comes last. */
export const NhwcMaxPool = carried('NhwcMaxPool', {
  domain,
  inputs: ['X'],
  attrs: {
    auto_pad: text('NOTSET'),
    kernel_shape: ints([]),
    strides: ints(),
    pads: ints(),
    dilations: ints(),
    ceil_mode: int(0),
  },
  shape: ({ X }, a) => [
    X.dims[0]!,
    ...windowOf(X.dims.slice(1, -1), a.kernel_shape, a).out,
    X.dims[X.dims.length - 1]!,
  ],
});
