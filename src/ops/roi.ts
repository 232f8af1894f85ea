/** Regions of a map brought to one size. */

import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import { without } from './history.ts';
import { float, int, ints, type StaticValue, text } from './op.ts';
import { exactly } from './sample.ts';

const FROM_PLACES = { kind: 'string', value: 'output_half_pixel' } as const;

/**
 * The mean of samples on a regular grid in each bin of a region; He et al. 2017, arXiv:1703.06870.
 *
 * Sampling a line is a product with hat functions, max(0, 1 − |p − i|): Y = Wy · X · Wxᵀ, pooled over the samples of a bin.
 */
export const RoiAlign = carried('RoiAlign', {
  inputs: ['X', 'rois', 'batch_indices'],
  attrs: {
    coordinate_transformation_mode: text('half_pixel'),
    mode: text('avg'),
    output_height: int(1),
    output_width: int(1),
    sampling_ratio: int(0),
    spatial_scale: float(1),
  },
  shape: ({ X, rois }, { output_height, output_width }) => [rois.dims[0]!, X.dims[1]!, output_height, output_width],
  grad: 'missing', // of maxima, and of a number of samples that depends on the region
  decompose: ({ X, rois, batch_indices }, a, g) => {
    if (a.mode !== 'avg' || a.sampling_ratio === 0) return undefined;
    const [, , height, width] = X.dims as [number, number, number, number];
    const isHalf = a.coordinate_transformation_mode === 'half_pixel';
    const scaled = g.Mul(rois, a.spatial_scale);
    const edges = g.emit(
      'Split',
      [isHalf ? g.Sub(scaled, 0.5) : scaled],
      { axis: 1, num_outputs: 4 },
      { outputs: 4 },
    ) as [StaticValue, StaticValue, StaticValue, StaticValue]; // x₁ y₁ x₂ y₂, [R, 1] each
    const hats = (from: StaticValue, to: StaticValue, bins: number, length: number): StaticValue => {
      const extent = isHalf ? g.Sub(to, from) : g.Max(g.Sub(to, from), 1);
      return hatsAt(samplesIn(from, extent, bins, a.sampling_ratio, g), length, g);
    };
    const rows = hats(edges[1], edges[3], a.output_height, height); // [R, samples, H]
    const columns = hats(edges[0], edges[2], a.output_width, width);
    const maps = g.Gather(X, batch_indices, { axis: 0 }); // [R, C, H, W]
    const perRegion = (w: StaticValue) => g.reshape(w, [w.dims[0]!, 1, w.dims[1]!, w.dims[2]!]);
    const read = g.MatMul(g.MatMul(perRegion(rows), maps), g.Transpose(perRegion(columns), { perm: [0, 1, 3, 2] }));
    const window = [a.sampling_ratio, a.sampling_ratio];
    return [g.AveragePool(read, { kernel_shape: window, strides: window })];
  },
  samples: [
    {
      X: [2, 2, 4, 5],
      rois: exactly('float32', [3, 4], [0.3, 0.4, 3.3, 2.9, 1.1, 0.2, 4.3, 3.4, 0, 0, 2.2, 3.1]),
      batch_indices: exactly('int64', [3], [0, 1, 1]),
      attrs: { output_height: 2, output_width: 3, sampling_ratio: 2 },
    },
    {
      X: [1, 1, 4, 4],
      rois: exactly('float32', [1, 4], [0.6, 1.3, 7.1, 6.2]),
      batch_indices: exactly('int64', [1], [0]),
      attrs: {
        coordinate_transformation_mode: 'output_half_pixel',
        output_height: 2,
        output_width: 2,
        sampling_ratio: 1,
        spatial_scale: 0.5,
      },
    },
  ],
  history: [
    {
      // Up to opset 15 corners were pixels' places, not their edges.
      until: 15,
      modern: (node) => ({ ...node, attrs: { ...node.attrs, coordinate_transformation_mode: FROM_PLACES } }),
      old: (node) =>
        node.attrs['coordinate_transformation_mode']?.value === FROM_PLACES.value
          ? without(node, 'coordinate_transformation_mode')
          : 'its corners are shifted by half a pixel',
    },
  ],
});

/** `ratio` samples in each of `bins`, at their middles: [R, bins · ratio]. */
function samplesIn(from: StaticValue, extent: StaticValue, bins: number, ratio: number, g: Builder): StaticValue {
  const many = bins * ratio;
  const middles = Array.from({ length: many }, (_, i) => (i + 0.5) / many);
  return g.Add(from, g.Mul(extent, g.constant(exactly('float32', [1, many], middles), 'middles')));
}

/** The share of each pixel in each place [R, S]: [R, S, length]. Places beyond the border by more than a pixel get none. */
function hatsAt(places: StaticValue, length: number, g: Builder): StaticValue {
  const [regions, samples] = places.dims as [number, number];
  const isNear = g.And(g.GreaterOrEqual(places, -1), g.LessOrEqual(places, length));
  const column = (v: StaticValue) => g.reshape(v, [regions, samples, 1]);
  const pixels = g.constant(
    exactly(
      'float32',
      [1, 1, length],
      Array.from({ length }, (_, i) => i),
    ),
    'pixels',
  );
  const hats = g.Relu(g.Sub(1, g.Abs(g.Sub(column(g.Clip(places, 0, length - 1)), pixels))));
  return g.Mul(hats, g.Cast(column(isNear), { to: 1 }));
}

/** The maximum of each bin. Its slope would follow bins whose borders are inputs: missing. */
export const MaxRoiPool = carried('MaxRoiPool', {
  inputs: ['X', 'rois'],
  attrs: { pooled_shape: ints([]), spatial_scale: float(1) },
  shape: ({ X, rois }, { pooled_shape }) => [rois.dims[0]!, X.dims[1]!, ...pooled_shape],
  cost: noMacs,
});
