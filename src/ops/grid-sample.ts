/**
 * GridSample: X [N, C, ...size] read at places that a grid [N, ...out, axes] names, from −1 to 1, the last axis first.
 *
 *   p = (g + 1) / 2 · (size − 1)      or, corners not aligned,      ((g + 1) · size − 1) / 2
 *   Y = Σ over the corners around p:  Π w · X[corner],     w = fraction of p beyond the corner, or 1 − it
 *
 * While learning, each corner is one GatherElements: slopes reach the map and the grid. Source: Jaderberg et al. 2015, arXiv:1506.02025.
 */

import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { int, op, type StaticValue, text } from './op.ts';
import { between } from './sample.ts';

export const GridSample = op({
  type: 'GridSample',
  inputs: ['X', 'grid'],
  attrs: { mode: text('linear'), padding_mode: text('zeros'), align_corners: int(0) },
  shape: ({ X, grid }) => [X.dims[0]!, X.dims[1]!, ...grid.dims.slice(1, -1)],
  grad: 'missing', // of cubic and nearest sampling, and of places that are mirrored at the border
  decompose: ({ X, grid }, { mode, padding_mode, align_corners }, g) => {
    if (!/linear$/.test(mode) || padding_mode === 'reflection') return undefined;
    const [batch, channels, ...size] = X.dims as [number, number, ...number[]];
    const out = grid.dims.slice(1, -1);
    const places = out.reduce((product, dim) => product * dim, 1);
    const axes = size.map((length, axis) => {
      // The grid's last axis names x before y.
      const at = g.Gather(grid, g.ints([size.length - 1 - axis]), { axis: -1 });
      const place = pixelsOf(g.reshape(at, [batch, 1, places]), length, align_corners === 1, g);
      return aroundOf(padding_mode === 'border' ? g.Clip(place, 0, length - 1) : place, length, g);
    });
    const flat = g.reshape(X, [batch, channels, size.reduce((product, dim) => product * dim, 1)]);
    const terms = corners(axes).map((chosen) => {
      const index = chosen.reduce<StaticValue | undefined>(
        (sum, { at }, axis) => (sum ? g.Add(g.Mul(sum, size[axis]!), at) : at),
        undefined,
      )!;
      const wide = g.Expand(g.Cast(index, { to: 7 }), g.ints([batch, channels, places]));
      const weight = chosen.map(({ weight: one }) => one).reduce((a, b) => g.Mul(a, b));
      return g.Mul(g.GatherElements(flat, wide, { axis: 2 }), weight);
    });
    return [
      g.reshape(
        terms.reduce((a, b) => g.Add(a, b)),
        [batch, channels, ...out],
      ),
    ];
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
  ],
});

/** Places from −1 to 1 as pixels, the first at 0. */
const pixelsOf = (place: StaticValue, length: number, aligned: boolean, g: Builder): StaticValue =>
  aligned ? g.Mul(g.Add(place, 1), (length - 1) / 2) : g.Div(g.Sub(g.Mul(g.Add(place, 1), length), 1), 2);

interface Corner {
  /** A whole pixel inside the map. */
  readonly at: StaticValue;
  /** 0 where the corner lies outside. */
  readonly weight: StaticValue;
}

/** The pixels before and behind each place. */
function aroundOf(place: StaticValue, length: number, g: Builder): readonly [Corner, Corner] {
  const low = g.Floor(place);
  const beyond = g.Sub(place, low);
  const corner = (at: StaticValue, share: StaticValue): Corner => {
    const inside = g.Clip(at, 0, length - 1);
    return { at: inside, weight: g.Mul(share, g.Cast(g.Equal(at, inside), { to: 1 })) };
  };
  return [corner(low, g.Sub(1, beyond)), corner(g.Add(low, 1), beyond)];
}

/** Every choice of one corner an axis. */
const corners = (axes: readonly (readonly Corner[])[]): Corner[][] =>
  axes.reduce<Corner[][]>((chosen, pair) => chosen.flatMap((some) => pair.map((one) => [...some, one])), [[]]);
