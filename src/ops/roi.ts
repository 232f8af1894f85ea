/** Regions of a map brought to one size. */

import { noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import { without } from './history.ts';
import { corners, linear } from './interpolate.ts';
import { float, int, ints, type StaticValue, text } from './op.ts';
import { exactly } from './sample.ts';

const FROM_PLACES = { kind: 'string', value: 'output_half_pixel' } as const;

/**
 * The mean or the maximum of samples on a regular grid in each bin of a region; He et al. 2017, arXiv:1703.06870.
 *
 * Sampling a line is a product with hat functions, max(0, 1 − |p − i|): Y = Wy · X · Wxᵀ, pooled over the samples of a bin.
 * A maximum is that of the four weighted pixels around each sample, as the engine has it.
 * Where the number of samples is the region's own, as many are laid as a region of the whole map needs, and the last ones weigh nothing.
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
  grad: 'missing', // of modes with no name here
  decompose: ({ X, rois, batch_indices }, a, g) => {
    if (a.mode !== 'avg' && a.mode !== 'max') return undefined;
    const [, , height, width] = X.dims as [number, number, number, number];
    const isHalf = a.coordinate_transformation_mode === 'half_pixel';
    const scaled = g.Mul(rois, a.spatial_scale);
    const edges = columns(isHalf ? g.Sub(scaled, 0.5) : scaled, g); // x₁ y₁ x₂ y₂
    const along = (from: number, bins: number, length: number): Line => {
      const span = g.Sub(edges[from + 2]!, edges[from]!);
      const extent = isHalf ? span : g.Max(span, 1);
      const most = a.sampling_ratio || Math.ceil(length / bins) + 1;
      return lineOf(edges[from]!, extent, { bins, most, isAdaptive: a.sampling_ratio === 0 }, g);
    };
    const [rows, across] = [along(1, a.output_height, height), along(0, a.output_width, width)];
    const maps = g.Gather(X, batch_indices, { axis: 0 }); // [R, C, H, W]
    const window = [rows.most, across.most];
    if (a.mode === 'max') return [g.MaxPool(highest(maps, rows, across, g), { kernel_shape: window, strides: window })];
    const perRegion = (w: StaticValue) => g.reshape(w, [w.dims[0]!, 1, w.dims[1]!, w.dims[2]!]);
    const hats = (line: Line, length: number) => perRegion(hatsAt(line, length, g));
    const read = g.MatMul(g.MatMul(hats(rows, height), maps), g.Transpose(hats(across, width), { perm: [0, 1, 3, 2] }));
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
    {
      X: [1, 2, 5, 6],
      rois: exactly('float32', [2, 4], [0.3, 0.4, 3.2, 4.3, 1.1, 0.2, 5.7, 1.9]),
      batch_indices: exactly('int64', [2], [0, 0]),
      attrs: { output_height: 2, output_width: 2 },
    },
    {
      X: [1, 2, 4, 5],
      rois: exactly('float32', [2, 4], [0.3, 0.4, 3.3, 2.9, 1.1, 0.2, 4.3, 3.4]),
      batch_indices: exactly('int64', [2], [0, 0]),
      attrs: { mode: 'max', output_height: 2, output_width: 2, sampling_ratio: 2 },
    },
    {
      X: [1, 1, 4, 5],
      rois: exactly('float32', [2, 4], [0.3, 0.4, 3.3, 2.9, 1.1, 0.2, 4.3, 3.4]),
      batch_indices: exactly('int64', [2], [0, 0]),
      attrs: { mode: 'max', output_height: 2, output_width: 2 },
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

/** Samples along an axis: `most` of each bin. */
interface Line {
  /** [R, bins · most] */
  readonly places: StaticValue;
  /** The share of each sample in the mean of `most`: 0 for one that the region does not want. Like `places`; without it, all are alike. */
  readonly share: StaticValue | undefined;
  readonly most: number;
}

/** The samples of each of `bins` at their middles, p = from + extent · (b + (k + ½) / n) / bins; an adaptive n is ⌈extent / bins⌉. */
function lineOf(
  from: StaticValue,
  extent: StaticValue,
  { bins, most, isAdaptive }: { bins: number; most: number; isAdaptive: boolean },
  g: Builder,
): Line {
  const row = (of: (i: number) => number, wish: string): StaticValue =>
    g.constant(
      exactly(
        'float32',
        [1, bins * most],
        Array.from({ length: bins * most }, (_, i) => of(i)),
      ),
      wish,
    );
  if (!isAdaptive) {
    const middles = row((i) => (i + 0.5) / most / bins, 'middles');
    return { places: g.Add(from, g.Mul(extent, middles)), share: undefined, most };
  }
  const wanted = g.Clip(g.Ceil(g.Div(extent, bins)), 0, most); // [R, 1]
  const n = g.Max(wanted, 1);
  const within = g.Div(
    row((i) => (i % most) + 0.5, 'middles'),
    n,
  );
  const places = g.Add(
    from,
    g.Mul(
      g.Div(extent, bins),
      g.Add(
        row((i) => Math.floor(i / most), 'bins'),
        within,
      ),
    ),
  );
  const isWanted = g.Less(
    row((i) => i % most, 'samples'),
    wanted,
  );
  return { places, share: g.Div(g.Mul(g.Cast(isWanted, { to: 1 }), most), n), most };
}

/** 1 for places on the map or less than a pixel beside it. */
const isNear = (places: StaticValue, length: number, g: Builder): StaticValue =>
  g.Cast(g.And(g.GreaterOrEqual(places, -1), g.LessOrEqual(places, length)), { to: 1 });

/** The share of each pixel in each place: [R, samples, length]. */
function hatsAt({ places, share }: Line, length: number, g: Builder): StaticValue {
  const [regions, samples] = places.dims as [number, number];
  const column = (v: StaticValue) => g.reshape(v, [regions, samples, 1]);
  const hats = g.Relu(g.Sub(1, g.Abs(g.Sub(column(g.Clip(places, 0, length - 1)), upTo(length, [1, 1, length], g)))));
  const near = isNear(places, length, g);
  return g.Mul(hats, column(share ? g.Mul(near, share) : near));
}

/** The greatest weighted pixel around each sample, far below anything for samples that the region does not want: [R, C, Sy, Sx]. */
function highest(maps: StaticValue, rows: Line, across: Line, g: Builder): StaticValue {
  const [regions, channels, height, width] = maps.dims as [number, number, number, number];
  const [down, right] = [rows.places.dims[1]!, across.places.dims[1]!];
  const spread = (v: StaticValue, isRow: boolean): StaticValue =>
    g.Expand(g.reshape(v, [regions, 1, isRow ? down : 1, isRow ? 1 : right]), [regions, 1, down, right]);
  const flat = (v: StaticValue) => g.reshape(v, [regions, 1, down * right]);
  const places = [
    flat(spread(g.Clip(rows.places, 0, height - 1), true)),
    flat(spread(g.Clip(across.places, 0, width - 1), false)),
  ];
  const most = corners(maps, places, linear, g).reduce((a, b) => g.Max(a, b));
  const near = g.Mul(spread(isNear(rows.places, height, g), true), spread(isNear(across.places, width, g), false));
  const read = g.Mul(g.reshape(most, [regions, channels, down, right]), near);
  if (!rows.share || !across.share) return read;
  return g.Where(g.Greater(g.Mul(spread(rows.share, true), spread(across.share, false)), 0), read, g.scalar(LOWEST));
}

const LOWEST = -3.4e38;

const upTo = (length: number, dims: readonly number[], g: Builder): StaticValue =>
  g.constant(
    exactly(
      'float32',
      dims,
      Array.from({ length }, (_, i) => i),
    ),
    'pixels',
  );

/** The columns of [R, N], each [R, 1]. */
const columns = (x: StaticValue, g: Builder): StaticValue[] =>
  g.emit('Split', [x], { axis: 1, num_outputs: x.dims[1]! }, { outputs: x.dims[1]! });

/**
 * The maximum of each bin of a region whose corners are rounded to pixels; Girshick 2015, arXiv:1504.08083.
 *
 * Rows and columns are chosen one after the other. The corners are rounded, so they have no slope.
 */
export const MaxRoiPool = carried('MaxRoiPool', {
  inputs: ['X', 'rois'],
  attrs: { pooled_shape: ints([]), spatial_scale: float(1) },
  shape: ({ X, rois }, { pooled_shape }) => [rois.dims[0]!, X.dims[1]!, ...pooled_shape],
  decompose: ({ X, rois }, { pooled_shape, spatial_scale }, g) => {
    const [, channels, height, width] = X.dims as [number, number, number, number];
    const regions = rois.dims[0]!;
    const [batch, ...corner] = columns(rois, g); // its map, then x₁ y₁ x₂ y₂
    const pixel = corner.map((v) => g.Floor(g.Add(g.Mul(v, spatial_scale), 0.5)));
    const maps = g.Gather(X, g.Cast(g.reshape(batch!, [regions]), { to: 7 }), { axis: 0 }); // [R, C, H, W]
    const isIn = (from: number, bins: number, length: number): StaticValue => {
      const [first, last] = [pixel[from]!, pixel[from + 2]!];
      const step = g.Div(g.Max(g.Add(g.Sub(last, first), 1), 1), bins);
      const at = (shift: number) => g.Mul(g.Add(upTo(bins, [1, bins], g), shift), step);
      const [low, high] = [g.Add(g.Floor(at(0)), first), g.Add(g.Ceil(at(1)), first)].map((v) =>
        g.reshape(v, [regions, bins, 1]),
      );
      const places = upTo(length, [1, 1, length], g);
      return g.And(g.GreaterOrEqual(places, low), g.Less(places, high)); // [R, bins, length]
    };
    const [down, right] = pooled_shape as [number, number];
    const [rows, across] = [isIn(1, down, height), isIn(0, right, width)];
    const inRow = g.Where(
      g.reshape(across, [regions, 1, 1, right, width]),
      g.reshape(maps, [regions, channels, height, 1, width]),
      g.scalar(LOWEST),
    );
    const byColumn = g.ReduceMax(inRow, g.ints([4]), { keepdims: 0 }); // [R, C, H, right]
    const inBin = g.Where(
      g.reshape(rows, [regions, 1, down, height, 1]),
      g.reshape(byColumn, [regions, channels, 1, height, right]),
      g.scalar(LOWEST),
    );
    const most = g.ReduceMax(inBin, g.ints([3]), { keepdims: 0 });
    return [g.Where(g.Greater(most, LOWEST / 2), most, g.scalar(0))]; // bins beside the map hold nothing
  },
  cost: noMacs,
  samples: [
    {
      X: [2, 2, 5, 6],
      rois: exactly('float32', [3, 5], [0, 0, 0, 5, 4, 1, 1.2, 0.7, 4.4, 3.1, 1, 2, 1, 2, 1]),
      attrs: { pooled_shape: [2, 3] },
    },
    {
      X: [1, 1, 4, 4],
      rois: exactly('float32', [1, 5], [0, 2, 2, 10, 9]),
      attrs: { pooled_shape: [2, 2], spatial_scale: 0.5 },
    },
  ],
});
