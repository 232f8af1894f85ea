/**
 * The slope of Resize: sampling is a matrix per axis, its slope the transposed matrices.
 *
 *   Y = R_hᵀ · X · R_w,  dX = R_h · dY · R_wᵀ          R [size of X, size of Y] = Resize of the unit matrix, by the engine itself
 *
 * Where whole pixels are merely repeated, the slope is the sum over each repeated block.
 */

import { count } from './answer.ts';
import type { Builder } from './builder.ts';
import { noSlope } from './misfit.ts';
import type { Attrs, StaticValue, Value } from './op.ts';
import { exactly } from './sample.ts';

/** Does sampling by this whole factor repeat each pixel that often? */
function repeats(factor: number, attrs: Attrs): boolean {
  if (attrs['mode'] !== 'nearest' || !Number.isInteger(factor)) return false;
  const [where, round] = [attrs['coordinate_transformation_mode'], attrs['nearest_mode']];
  if (where === 'asymmetric') return round === 'floor' || (factor <= 2 && round === 'round_prefer_floor');
  return `${where}`.endsWith('half_pixel') && `${round}`.startsWith('round_prefer');
}

/** dX [...X.dims] from dY. Throws grad/missing for tf_crop_and_resize, which samples outside the map. */
export function resizeSlope(
  X: StaticValue,
  dY: StaticValue,
  scales: Value | undefined,
  attrs: Attrs,
  g: Builder,
): StaticValue {
  if (attrs['coordinate_transformation_mode'] === 'tf_crop_and_resize') throw noSlope('Resize', 'tf_crop_and_resize');
  const resized = X.dims.flatMap((dim, i) => (dim === dY.dims[i] ? [] : [i]));
  const factors = X.dims.map((dim, i) => dY.dims[i]! / dim);
  const isPlanar = X.dims.length >= 3 && resized.every((axis) => axis >= 2);
  if (isPlanar && resized.every((axis) => repeats(factors[axis]!, attrs))) {
    const kernel = factors.slice(2);
    return g.Mul(g.AveragePool(dY, { kernel_shape: kernel, strides: kernel }), count(kernel));
  }
  return resized.reduce((slope, axis) => foldAxis(slope, axis, responseOf(X, dY, axis, scales, attrs, g), g), dY);
}

/** R [size of X, size of Y] of one axis. With scales given, places are counted by the scale, not by the sizes. */
function responseOf(
  X: StaticValue,
  dY: StaticValue,
  axis: number,
  scales: Value | undefined,
  attrs: Attrs,
  g: Builder,
): StaticValue {
  const [from, to] = [X.dims[axis]!, dY.dims[axis]!];
  const eye = new Array<number>(from * from).fill(0).map((_, i) => (i % (from + 1) === 0 ? 1 : 0));
  const unit = g.constant(exactly('float32', [1, 1, from, from], eye), 'resize_unit');
  const at =
    (attrs['axes'] as readonly number[] | undefined)?.map((a) => (a + X.dims.length) % X.dims.length).indexOf(axis) ??
    axis;
  const factor = scales && scales.dims[0] !== 0 ? scales.ints?.[at] : undefined;
  const { axes: _, keep_aspect_ratio_policy: __, ...how } = attrs as Record<string, number | string | undefined>;
  const response =
    typeof factor === 'number'
      ? g.Resize(unit, null, g.constant(exactly('float32', [4], [1, 1, 1, factor]), 'resize_scales'), null, how)
      : g.Resize(unit, null, null, [1, 1, from, to], how);
  return g.reshape(response, [from, to]);
}

/** The axis of size `to` brought back to size `from` by R [from, to]. */
function foldAxis(x: StaticValue, axis: number, response: StaticValue, g: Builder): StaticValue {
  const from = response.dims[0]!;
  const dims = x.dims.map((dim, i) => (i === axis ? from : dim));
  const [outer, inner] = [count(x.dims.slice(0, axis)), count(x.dims.slice(axis + 1))];
  const to = x.dims[axis]!;
  if (inner === 1) return g.reshape(g.Gemm(g.reshape(x, [outer, to]), response, { transB: 1 }), dims);
  return g.reshape(g.MatMul(response, g.reshape(x, [outer, to, inner])), dims);
}
