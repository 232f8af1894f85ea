/** Convolution and its transpose, any number of spatial axes. */

import { minus, plus, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import type { Builder } from './builder.ts';
import { convInputSlope, convWeightSlope, sumPerChannel } from './conv-slope.ts';
import { adjust, free, tie, tieBlocks, tieModulo, tieWithin } from './link.ts';
import { misfit } from './misfit.ts';
import { int, ints, op, type StaticValue, text } from './op.ts';
import { windowOf } from './window.ts';

const OUT = 0;
const IN = 1;
const CHANNEL = 1;

const attrs = {
  auto_pad: text('NOTSET'),
  kernel_shape: ints(),
  strides: ints(),
  dilations: ints(),
  pads: ints(),
  group: int(1),
};

const product = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);

export const Conv = op({
  type: 'Conv',
  inputs: ['X', 'W', 'B?'],
  attrs,

  // X [N, C, ...size] · W [O, C/group, ...kernel] + B [O] -> Y [N, O, ...out]
  shape: ({ X, W, B }, a) => {
    const channels = times(W.dims[IN]!, a.group);
    if (typeof X.dims[CHANNEL] === 'number' && typeof channels === 'number' && X.dims[CHANNEL] !== channels) {
      throw misfit('Conv', `the weight reads ${channels} channels, the input has ${X.dims[CHANNEL]}`, { X, W, B });
    }
    const kernel = (a.kernel_shape ?? W.dims.slice(2)) as readonly number[];
    return [X.dims[0]!, W.dims[OUT]!, ...windowOf(X.dims.slice(2), kernel, a).out];
  },

  grad: ({ X, W, B, dY }, a, g) => {
    const window = windowOf(X.dims.slice(2), W.dims.slice(2), a);
    return {
      X: convInputSlope(dY, W, X.dims, window, a.group, g),
      W: convWeightSlope(X, dY, W.dims, window, a.group, g),
      B: B && sumPerChannel(dY, g),
    };
  },

  couple: ({ X, W, B, Y }, { group }) => {
    const links = [tie(Y[0]!, X[0]!, 'samples stay samples'), tie(Y[CHANNEL]!, W[OUT]!, 'a filter makes a channel')];
    if (B) links.push(tie(Y[CHANNEL]!, B[0]!, 'a filter has a bias'));
    if (group === 1) return [...links, tie(X[CHANNEL]!, W[IN]!, 'what one layer drops, the next stops reading')];
    if (W[IN]!.size === 1) {
      const perChannel = Y[CHANNEL]!.size / X[CHANNEL]!.size;
      links.push(
        tieBlocks(X[CHANNEL]!, Y[CHANNEL]!, perChannel, 'depthwise: a channel has its own filters'),
        free(W[IN]!),
      );
      return [...links, adjust((kept) => ({ attrs: { group: kept(X[CHANNEL]!).length } }))];
    }
    // Groups stay as many and equally wide: the same places are cut in each.
    return [...links, tieModulo(X[CHANNEL]!, W[IN]!), tieWithin(W[OUT]!, W[OUT]!.size / group)];
  },

  cost: ({ W, Y }) => ({ macs: product(Y.dims) * product(W.dims.slice(1)) }),
  quant: { kind: 'weighted', input: 'X', weight: 'W', bias: 'B', axis: () => OUT },

  samples: [
    { X: [2, 3, 5, 5], W: [4, 3, 3, 3] },
    { X: [1, 2, 6, 5], W: [4, 2, 3, 2], B: [4], attrs: { strides: [2, 1], pads: [1, 0, 1, 1] } },
    { X: [1, 4, 6, 6], W: [6, 2, 3, 3], B: [6], attrs: { group: 2, pads: [1, 1, 1, 1] } },
    { X: [2, 4, 5, 5], W: [4, 1, 3, 3], attrs: { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] } },
    { X: [1, 2, 7, 7], W: [4, 1, 3, 3], attrs: { group: 2, dilations: [2, 2] } },
    { X: [1, 2, 7, 8], W: [3, 2, 3, 3], attrs: { strides: [2, 2], auto_pad: 'SAME_UPPER' } },
    { X: [1, 2, 6, 6], W: [3, 2, 2, 2], attrs: { auto_pad: 'SAME_LOWER' } },
    { X: [2, 3, 8], W: [4, 3, 3], B: [4], attrs: { strides: [2], pads: [1, 1] } },
    { X: [2, 3, 4, 4], W: [5, 3, 1, 1] },
    { X: [2, 8, 4, 5], W: [9, 8, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
    { X: [1, 9, 5, 6], W: [2, 9, 2, 3], attrs: { dilations: [1, 2], pads: [0, 1, 1, 0] } },
    { X: [1, 8, 2, 2], W: [2, 8, 3, 3], attrs: { dilations: [2, 2], pads: [2, 2, 2, 2] } },
    { X: [1, 2, 3, 4, 4], W: [2, 2, 2, 2, 2] },
  ],
});

export const ConvTranspose = op({
  type: 'ConvTranspose',
  inputs: ['X', 'W', 'B?'],
  attrs: { ...attrs, output_padding: ints(), output_shape: ints() },

  // X [N, C, ...size] · W [C, O/group, ...kernel] -> Y [N, O, (size − 1)·stride + reach + output_padding − pads]
  shape: ({ X, W }, a) => [
    X.dims[0]!,
    times(W.dims[1]!, a.group),
    ...transposedWindow(X.dims.slice(2), W.dims.slice(2), a).out,
  ],

  // Its input slope is a convolution, its weight slope a convolution's with input and slope changing places.
  grad: ({ X, W, B, dY }, a, g) => {
    const { begin, end } = transposedWindow(X.dims.slice(2), W.dims.slice(2), a);
    const rank = X.dims.length - 2;
    const attrs = { strides: a.strides, dilations: a.dilations, pads: [...begin, ...end] };
    const window = windowOf(dY.dims.slice(2), W.dims.slice(2), attrs);
    const trimmed = window.out.some((size, i) => size !== X.dims[2 + i]);
    const dX = g.Conv(dY, W, { ...attrs, group: a.group }) as StaticValue;
    return {
      X: trimmed ? trimTo(dX, X.dims, rank, g) : dX,
      W: convWeightSlope(dY, X, W.dims, { ...window, out: X.dims.slice(2) }, a.group, g),
      B: B && sumPerChannel(dY, g),
    };
  },

  couple: ({ X, W, B, Y }, { group }) =>
    group === 1
      ? [
          tie(Y[0]!, X[0]!, 'samples stay samples'),
          tie(Y[CHANNEL]!, W[1]!, 'a filter makes a channel'),
          ...(B ? [tie(Y[CHANNEL]!, B[0]!, 'a filter has a bias')] : []),
          tie(X[CHANNEL]!, W[0]!, 'what one layer drops, the next stops reading'),
        ]
      : [tie(Y[0]!, X[0]!, 'samples stay samples')],

  cost: ({ X, W }) => ({ macs: product(X.dims) * product(W.dims.slice(1)) }),
  quant: { kind: 'float', stores: { slots: ['W'], axis: CHANNEL } },
  samples: [
    { X: [1, 3, 4, 4], W: [3, 2, 3, 3] },
    {
      X: [2, 3, 3, 4],
      W: [3, 2, 3, 2],
      B: [2],
      attrs: { strides: [2, 2], pads: [1, 0, 1, 0], output_padding: [1, 1] },
    },
    { X: [1, 4, 3, 3], W: [4, 2, 2, 2], attrs: { group: 2, strides: [2, 2] } },
    { X: [2, 3, 5], W: [3, 4, 3], attrs: { dilations: [2], pads: [1, 1] } },
  ],
});

interface TransposedAttrs {
  readonly auto_pad: string;
  readonly strides: readonly number[] | undefined;
  readonly dilations: readonly number[] | undefined;
  readonly pads: readonly number[] | undefined;
  readonly output_padding: readonly number[] | undefined;
  readonly output_shape: readonly number[] | undefined;
}

function transposedWindow(
  size: readonly Dim[],
  kernel: readonly Dim[],
  a: TransposedAttrs,
): { begin: number[]; end: number[]; out: Dim[] } {
  const rank = size.length;
  const begin: number[] = [];
  const end: number[] = [];
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const stride = a.strides?.[i] ?? 1;
    const reach = ((kernel[i] as number) - 1) * (a.dilations?.[i] ?? 1) + 1;
    const extra = a.output_padding?.[i] ?? 0;
    const full = plus(plus(times(minus(size[i]!, 1), stride), reach), extra);
    const wanted = a.output_shape?.[i] ?? (a.auto_pad.startsWith('SAME') ? times(size[i]!, stride) : undefined);
    let [padBegin, padEnd] = [a.pads?.[i] ?? 0, a.pads?.[rank + i] ?? 0];
    if (wanted !== undefined) {
      const total = typeof full === 'number' && typeof wanted === 'number' ? Math.max(0, full - wanted) : 0;
      const upper = a.auto_pad === 'SAME_UPPER';
      padBegin = upper ? Math.floor(total / 2) : total - Math.floor(total / 2);
      padEnd = total - padBegin;
    }
    begin.push(padBegin);
    end.push(padEnd);
    out.push(wanted ?? minus(full, padBegin + padEnd));
  }
  return { begin, end, out };
}

const trimTo = (x: StaticValue, dims: readonly number[], rank: number, g: Builder): StaticValue => {
  const axes = Array.from({ length: rank }, (_, i) => 2 + i);
  return g.Slice(
    x,
    axes.map(() => 0),
    axes.map((axis) => dims[axis]!),
    axes,
  );
};
