/**
 * The engine's own blocked-channel ops (domain com.microsoft.nchwc), which training graphs may use directly.
 *
 * A blocked tensor keeps its dimensions [N, C, H, W] and lies in memory as [N, C/b, H, W, b].
 */

import { floatList, int, ints, op, type Row, text } from './op.ts';
import { windowOf } from './window.ts';

const DOMAIN = 'com.microsoft.nchwc';
const windowAttrs = {
  auto_pad: text('NOTSET'),
  kernel_shape: ints(),
  strides: ints(),
  dilations: ints(),
  pads: ints(),
};
const silent = { grad: 'missing', couple: 'none', cost: 'none', quant: 'float', samples: [] } as const;

export const reorderInput: Row = op({
  type: 'ReorderInput',
  domain: DOMAIN,
  inputs: ['X'],
  attrs: { channels_last: int(0) },
  shape: ({ X }) => X.dims,
  ...silent,
});
export const reorderOutput: Row = op({
  type: 'ReorderOutput',
  domain: DOMAIN,
  inputs: ['X'],
  attrs: { channels: int(0), channels_last: int(0) },
  shape: ({ X }) => X.dims,
  ...silent,
});
export const blockedConv: Row = op({
  type: 'Conv',
  domain: DOMAIN,
  inputs: ['X', 'W', 'B?', 'Sum?'],
  attrs: { ...windowAttrs, group: int(1), activation: text(), activation_params: floatList() },
  shape: ({ X, W }, a) => [X.dims[0]!, W.dims[0]!, ...windowOf(X.dims.slice(2), W.dims.slice(2) as number[], a).out],
  ...silent,
});
export const blockedMaxPool: Row = op({
  type: 'MaxPool',
  domain: DOMAIN,
  inputs: ['X'],
  attrs: { ...windowAttrs, ceil_mode: int(0), storage_order: int(0) },
  shape: ({ X }, a) => [X.dims[0]!, X.dims[1]!, ...windowOf(X.dims.slice(2), a.kernel_shape as number[], a).out],
  ...silent,
});
export const blockedUpsample: Row = op({
  type: 'Upsample',
  domain: DOMAIN,
  inputs: ['X'],
  attrs: { scales: ints(), mode: text('nearest') },
  shape: ({ X }, { scales }) => X.dims.map((dim, i) => (dim as number) * (scales?.[i] ?? 1)),
  ...silent,
});
