/**
 * GridSample: X [N, C, ...size] read at places that a grid [N, ...out, axes] names, from −1 to 1, the last axis first.
 *
 *   p = (g + 1) / 2 · (size − 1)      or, corners not aligned,      ((g + 1) · size − 1) / 2
 *
 * While learning, each tap (see `interpolate`) is one GatherElements: slopes reach the map and the grid.
 * Source   Jaderberg et al. 2015, arXiv:1506.02025.
 */

import { count, noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import {
  type Beyond,
  border,
  cubic,
  interpolated,
  linear,
  mirrored,
  nearest,
  type Taps,
  zeros,
} from './interpolate.ts';
import { type HistoricNode, int, op, type StaticValue, text } from './op.ts';
import { between } from './sample.ts';

export const GridSample = op({
  type: 'GridSample',
  inputs: ['X', 'grid'],
  attrs: { mode: text('linear'), padding_mode: text('zeros'), align_corners: int(0) },
  shape: ({ X, grid }) => [X.dims[0]!, X.dims[1]!, ...grid.dims.slice(1, -1)],
  grad: 'missing', // of modes with no name here
  decompose: ({ X, grid }, { mode, padding_mode, align_corners }, g) => {
    const isAligned = align_corners === 1;
    const [taps, beyond] = [TAPS[mode], BEYOND(isAligned)[padding_mode]];
    if (!taps || !beyond) return undefined;
    const [batch, channels, ...size] = X.dims as [number, number, ...number[]];
    const out = grid.dims.slice(1, -1);
    const places = size.map((length, axis) => {
      // The grid's last axis names x before y.
      const at = g.Gather(grid, g.ints([size.length - 1 - axis]), { axis: -1 });
      return pixelsOf(g.reshape(at, [batch, 1, count(out)]), length, isAligned, g);
    });
    const held = padding_mode === 'border' ? heldInside(places, size, isAligned, g) : places;
    return [g.reshape(interpolated(X, held, taps, g, beyond), [batch, channels, ...out])];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  // Places whose nudges cross no pixel: there the slope jumps.
  samples: [
    { X: [1, 2, 3, 3], grid: between(0.1, 0.5, [1, 2, 2, 2]) },
    { X: [2, 1, 3, 4], grid: between(0.45, 0.9, [2, 3, 2, 2]), attrs: { align_corners: 1 } },
    { X: [1, 1, 3, 4], grid: between(1.1, 1.25, [1, 1, 2, 2]), attrs: { align_corners: 1 } },
    { X: [1, 2, 3, 2], grid: between(-0.4, -0.1, [1, 2, 2, 2]), attrs: { padding_mode: 'border' } },
    { X: [1, 1, 5, 6], grid: between(-0.15, 0.05, [1, 2, 2, 2]), attrs: { mode: 'cubic', align_corners: 1 } },
    { X: [1, 2, 3, 3], grid: between(0.1, 0.5, [1, 2, 2, 2]), attrs: { mode: 'nearest' } },
    { X: [1, 2, 3, 4], grid: between(1.05, 1.2, [1, 2, 2, 2]), attrs: { padding_mode: 'reflection' } },
    {
      X: [1, 1, 3, 4],
      grid: between(-1.6, -1.4, [1, 1, 3, 2]),
      attrs: { padding_mode: 'reflection', align_corners: 1 },
    },
    { X: [1, 1, 5, 6], grid: between(0.9, 1.1, [1, 2, 2, 2]), attrs: { mode: 'cubic', padding_mode: 'reflection' } },
    { X: [1, 1, 3, 4], grid: between(1.7, 1.8, [1, 1, 2, 2]), attrs: { mode: 'nearest', padding_mode: 'reflection' } },
    { X: [1, 1, 5, 6], grid: between(0.65, 0.75, [1, 2, 2, 2]), attrs: { mode: 'cubic', padding_mode: 'border' } },
    { X: [1, 1, 5, 6], grid: between(1.3, 1.5, [1, 2, 2, 2]), attrs: { mode: 'cubic', padding_mode: 'border' } },
  ],
  history: [
    {
      // Up to opset 19 modes had the names that they have for images.
      until: 19,
      modern: (node) => inMode(node, { bilinear: 'linear', bicubic: 'cubic' }, 'bilinear'),
      old: (node) => inMode(node, { linear: 'bilinear', cubic: 'bicubic' }, 'linear'),
    },
  ],
});

const TAPS: Readonly<Record<string, Taps>> = { linear, bilinear: linear, nearest, cubic, bicubic: cubic };

const BEYOND = (isAligned: boolean): Readonly<Record<string, Beyond>> => ({
  zeros,
  border,
  reflection: mirrored(isAligned),
});

/** Places of which one axis lies beyond the map's edge go to the middle of its last pixels, on every axis: the engine's own rule. */
function heldInside(places: readonly StaticValue[], size: readonly number[], isAligned: boolean, g: Builder) {
  const margin = isAligned ? 0 : 0.5;
  const isBeyond = places
    .map((place, axis) => g.Or(g.Less(place, -margin), g.Greater(place, size[axis]! - 1 + margin)))
    .reduce((a, b) => g.Or(a, b));
  return places.map((place, axis) => g.Where(isBeyond, g.Clip(place, 0, size[axis]! - 1), place));
}

/** Places from −1 to 1 as pixels, the first at 0. */
const pixelsOf = (place: StaticValue, length: number, aligned: boolean, g: Builder): StaticValue =>
  aligned ? g.Mul(g.Add(place, 1), (length - 1) / 2) : g.Div(g.Sub(g.Mul(g.Add(place, 1), length), 1), 2);

function inMode(node: HistoricNode, names: Readonly<Record<string, string>>, fallback: string): HistoricNode {
  const mode = node.attrs['mode']?.value ?? fallback;
  return { ...node, attrs: { ...node.attrs, mode: { kind: 'string', value: names[mode as string] ?? `${mode}` } } };
}
