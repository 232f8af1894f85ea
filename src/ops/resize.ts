/** Sampling a map at other places: Resize and its elders. */

import { times } from '../graph/dim.ts';
import { numbers } from '../graph/tensor.ts';
import { fromFront, knownInts, noMacs } from './answer.ts';
import { adjust, tie } from './link.ts';
import { float, int, ints, op, text } from './op.ts';
import { exactly, intVector } from './sample.ts';

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
  shape: ({ X, scales, sizes }, { axes, keep_aspect_ratio_policy }) => {
    if (keep_aspect_ratio_policy !== 'stretch') return X.dims.map(() => null);
    const along = axes?.map((axis) => fromFront(axis, X.dims.length)) ?? X.dims.map((_, i) => i);
    const factors = scales?.constant && scales.constant.dims[0] !== 0 ? numbers(scales.constant) : undefined;
    return X.dims.map((dim, i) => {
      const at = along.indexOf(i);
      if (at < 0) return dim;
      if (sizes?.ints) return sizes.ints[at]!;
      if (!factors) return null;
      const factor = factors[at]!;
      return typeof dim === 'number'
        ? Math.floor(dim * factor)
        : factor === 1
          ? dim
          : Number.isInteger(factor)
            ? times(dim, factor)
            : null;
    });
  },
  grad: 'missing',
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
    { X: [1, 2, 4, 4], scales: exactly('float32', [4], [1, 1, 2, 1.5]), attrs: { mode: 'linear' } },
  ],
});
