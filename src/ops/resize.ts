/** Sampling a map at other places: Resize and its elder, Upsample. */

import { times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { fromFront, knownInts, noMacs } from './answer.ts';
import { adjust, tie } from './link.ts';
import { float, int, ints, op, text, type Value } from './op.ts';
import { fromCorner, resizeHistory } from './resize-history.ts';
import { resizeSlope } from './resize-slope.ts';
import { exactly, intVector } from './sample.ts';

/** The dimensions that were asked for along the resized axes, and the factors where those were given instead. */
function sizesOf(
  X: Value,
  scales: Value | undefined,
  sizes: Value | undefined,
  axes: readonly number[] | undefined,
  policy: string,
): Dim[] {
  const along = axes?.map((axis) => fromFront(axis, X.dims.length)) ?? X.dims.map((_, i) => i);
  const factors = scales && scales.dims[0] !== 0 ? knownInts(scales) : undefined;
  const wanted = sizes?.ints;
  // One factor for all axes, so that the result fits into (or covers) what was asked for.
  const all = wanted?.map((size, i) =>
    typeof size === 'number' && typeof X.dims[along[i]!] === 'number'
      ? size / (X.dims[along[i]!] as number)
      : Number.NaN,
  );
  const common =
    policy === 'not_larger'
      ? Math.min(...(all ?? []))
      : policy === 'not_smaller'
        ? Math.max(...(all ?? []))
        : undefined;
  return X.dims.map((dim, i) => {
    const at = along.indexOf(i);
    if (at < 0) return dim;
    if (wanted && common !== undefined) return Number.isNaN(common) ? null : Math.floor(common * (dim as number) + 0.5);
    if (wanted) return wanted[at]!;
    if (!factors) return null;
    const factor = Math.fround(factors[at]!);
    if (typeof dim === 'number') return Math.floor(Math.fround(dim * factor));
    return factor === 1 ? dim : Number.isInteger(factor) ? times(dim, factor) : null;
  });
}

export const Resize = op({
  type: 'Resize',
  inputs: ['X', 'roi?', 'scales?', 'sizes?'],
  attrs: {
    mode: text('nearest'),
    coordinate_transformation_mode: text('half_pixel'),
    nearest_mode: text('round_prefer_floor'),
    cubic_coeff_a: float(-0.75),
    exclude_outside: int(0),
    extrapolation_value: float(0),
    antialias: int(0),
    axes: ints(),
    keep_aspect_ratio_policy: text('stretch'),
  },
  shape: ({ X, scales, sizes }, { axes, keep_aspect_ratio_policy }) =>
    sizesOf(X, scales, sizes, axes, keep_aspect_ratio_policy),
  grad: ({ X, scales, dY }, attrs, g) => ({ X: resizeSlope(X, dY, scales, attrs, g) }),
  couple: ({ X, Y }, _, { X: x, sizes }) => {
    const links = [0, 1].flatMap((i) =>
      X[i]!.size === Y[i]!.size ? [tie(Y[i]!, X[i]!, 'each channel is resized alone')] : [],
    );
    const wanted = sizes && knownInts(sizes);
    if (sizes && !wanted) return [];
    return wanted && wanted.length === x.dims.length
      ? [
          ...links,
          adjust((kept) => ({ ints: { sizes: wanted.map((size, i) => (i === 1 ? kept(Y[1]!).length : size)) } })),
        ]
      : links;
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    {
      X: [1, 2, 3, 3],
      sizes: intVector(1, 2, 6, 6),
      attrs: { nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' },
    },
    { X: [1, 2, 3, 2], scales: exactly('float32', [4], [1, 1, 3, 2]) },
    { X: [1, 2, 4, 4], scales: exactly('float32', [4], [1, 1, 2, 1.5]), attrs: { mode: 'linear' } },
    {
      X: [1, 2, 5, 4],
      sizes: intVector(1, 2, 3, 7),
      attrs: { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
    },
    { X: [1, 2, 5, 4], sizes: intVector(3, 7), attrs: { nearest_mode: 'ceil', axes: [2, 3] } },
    {
      X: [1, 1, 4, 5],
      scales: exactly('float32', [4], [1, 1, 1.6, 0.7]),
      attrs: { mode: 'cubic', coordinate_transformation_mode: 'pytorch_half_pixel', cubic_coeff_a: -0.5 },
    },
    { X: [1, 1, 8, 6], sizes: intVector(1, 1, 3, 4), attrs: { mode: 'linear', antialias: 1 } },
  ],
  history: resizeHistory,
});

/** What Resize was called up to opset 9. */
export const Upsample = op({
  type: 'Upsample',
  inputs: ['X', 'scales?'],
  attrs: { mode: text('nearest') },
  shape: ({ X, scales }) => sizesOf(X, scales, undefined, undefined, 'stretch'),
  grad: 'missing',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
  history: [{ until: 21, modern: fromCorner, old: (node) => node }],
});
