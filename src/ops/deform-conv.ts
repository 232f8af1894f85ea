/** A convolution whose taps are moved by offsets that the network works out. Zhu et al. 2018, arXiv:1811.11168. */

import { count } from './answer.ts';
import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import { interpolated, linear } from './interpolate.ts';
import { int, ints, type StaticValue } from './op.ts';
import { between, exactly } from './sample.ts';
import { type Window, windowOf } from './window.ts';

export const DeformConv = carried('DeformConv', {
  inputs: ['X', 'W', 'offset', 'B?', 'mask?'],
  attrs: {
    dilations: ints(),
    group: int(1),
    kernel_shape: ints(),
    offset_group: int(1),
    pads: ints(),
    strides: ints(),
  },
  shape: ({ X, W }, a) => [
    X.dims[0]!,
    W.dims[0]!,
    ...windowOf(X.dims.slice(2), (a.kernel_shape ?? W.dims.slice(2)) as number[], a).out,
  ],
  // Taps read as GridSample reads them, then one product per group: X [N, C, H, W], offset [N, G·K·2, h, w], K taps.
  decompose: ({ X, W, offset, B, mask }, a, g) => {
    if (X.dims.length !== 4) return undefined;
    const window = windowOf(X.dims.slice(2), W.dims.slice(2), a);
    const [batch, channels, ...size] = X.dims as [number, number, number, number];
    const [features, taps, places] = [W.dims[0]!, count(W.dims.slice(2)), count(window.out as number[])];
    const groups = batch * a.offset_group;
    const moved = g.emit(
      'Split',
      [g.reshape(offset, [groups, taps, 2, places])],
      { axis: 2, num_outputs: 2 },
      { outputs: 2 },
    );
    const at = moved.map((by, axis) => g.Add(g.reshape(by, [groups, 1, taps * places]), unmoved(window, axis, g)));
    const read = interpolated(g.reshape(X, [groups, channels / a.offset_group, ...size]), at, linear, g);
    const columns = mask ? g.Mul(read, g.reshape(mask, [groups, 1, taps * places])) : read;
    const each = (channels / a.group) * taps;
    const product = g.MatMul(
      g.reshape(W, [1, a.group, features / a.group, each]),
      g.reshape(columns, [batch, a.group, each, places]),
    );
    const Y = g.reshape(product, [batch, features, ...(window.out as number[])]);
    return [B ? g.Add(Y, g.reshape(B, [features, 1, 1])) : Y];
  },
  cost: ({ W, Y }) => ({ macs: count(Y.dims) * count(W.dims.slice(1)) }),
  samples: [
    {
      X: [1, 1, 3, 3],
      W: [1, 1, 2, 2],
      offset: exactly('float32', [1, 8, 2, 2], new Array<number>(32).fill(0)),
      attrs: { kernel_shape: [2, 2] },
      macs: 4 * 4,
    },
    {
      X: [2, 4, 4, 3],
      W: [2, 2, 2, 2],
      // Away from whole pixels, where the slope jumps.
      offset: between(0.2, 0.7, [2, 16, 3, 2]),
      B: [2],
      mask: between(0.2, 1, [2, 8, 3, 2]),
      attrs: { group: 2, offset_group: 2, strides: [2, 1], pads: [1, 0, 1, 0] },
      macs: 2 * 2 * 3 * 2 * 2 * 4,
    },
  ],
});

/** Where each tap of each place lies on an axis when nothing moves it: [1, 1, K·P]. */
function unmoved({ kernel, strides, dilations, begin, out }: Window, axis: number, g: Builder): StaticValue {
  const [kh, kw] = kernel as [number, number];
  const [oh, ow] = out as [number, number];
  const values: number[] = [];
  for (let tap = 0; tap < kh * kw; tap++) {
    for (let place = 0; place < oh * ow; place++) {
      const k = axis === 0 ? Math.floor(tap / kw) : tap % kw;
      const o = axis === 0 ? Math.floor(place / ow) : place % ow;
      values.push(o * strides[axis]! - begin[axis]! + k * dilations[axis]!);
    }
  }
  return g.constant(exactly('float32', [1, 1, values.length], values), 'taps');
}
