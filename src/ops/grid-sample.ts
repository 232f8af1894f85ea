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
import { cubic, interpolated, linear, nearest, type Taps } from './interpolate.ts';
import { type HistoricNode, int, op, type StaticValue, text } from './op.ts';
import { between } from './sample.ts';

export const GridSample = op({
  type: 'GridSample',
  inputs: ['X', 'grid'],
  attrs: { mode: text('linear'), padding_mode: text('zeros'), align_corners: int(0) },
  shape: ({ X, grid }) => [X.dims[0]!, X.dims[1]!, ...grid.dims.slice(1, -1)],
  grad: 'missing', // of places that are mirrored at the border, or held there by a cubic
  decompose: ({ X, grid }, { mode, padding_mode, align_corners }, g) => {
    const taps = TAPS[mode];
    if (!taps || padding_mode === 'reflection' || (padding_mode === 'border' && taps === cubic)) return undefined;
    const [batch, channels, ...size] = X.dims as [number, number, ...number[]];
    const out = grid.dims.slice(1, -1);
    const places = size.map((length, axis) => {
      // The grid's last axis names x before y.
      const at = g.Gather(grid, g.ints([size.length - 1 - axis]), { axis: -1 });
      const place = pixelsOf(g.reshape(at, [batch, 1, count(out)]), length, align_corners === 1, g);
      return padding_mode === 'border' ? g.Clip(place, 0, length - 1) : place;
    });
    return [g.reshape(interpolated(X, places, taps, g), [batch, channels, ...out])];
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

/** Places from −1 to 1 as pixels, the first at 0. */
const pixelsOf = (place: StaticValue, length: number, aligned: boolean, g: Builder): StaticValue =>
  aligned ? g.Mul(g.Add(place, 1), (length - 1) / 2) : g.Div(g.Sub(g.Mul(g.Add(place, 1), length), 1), 2);

function inMode(node: HistoricNode, names: Readonly<Record<string, string>>, fallback: string): HistoricNode {
  const mode = node.attrs['mode']?.value ?? fallback;
  return { ...node, attrs: { ...node.attrs, mode: { kind: 'string', value: names[mode as string] ?? `${mode}` } } };
}
