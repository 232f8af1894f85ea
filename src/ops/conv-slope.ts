/**
 * The slopes of a convolution in the forms that the engine runs fastest.
 *
 *   dX = dY ∗ flip(W)             stride 1: an ordinary convolution; else ConvTranspose
 *   dW = Σ_n dY_n · cols(X_n)ᵀ    cols: for each place in the kernel, the strided window of the padded input; or, with fewer
 *                                 copies, the rows of one side shifted against the columns of the other (`shiftedSlope`)
 *   dB = Σ dY over samples and places
 */

import { float32 } from '../graph/tensor.ts';
import { count, zerosOf } from './answer.ts';
import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';
import type { Window } from './window.ts';

/** dY [N, O, ...out] summed to [O]. */
export const sumPerChannel = (dY: StaticValue, g: Builder): StaticValue => g.emit('ChannelSum', [dY])[0]!;

/** dX [N, C, ...size] from dY [N, O, ...out] and W [O, C/group, ...kernel]. */
export function convInputSlope(
  dY: StaticValue,
  W: StaticValue,
  dims: readonly number[],
  { kernel, strides, dilations, begin, end }: Window,
  group: number,
  g: Builder,
): StaticValue {
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  const spatial = dims.slice(2);
  const mirrored = [...reach.map((r, i) => r - 1 - begin[i]!), ...reach.map((r, i) => r - 1 - end[i]!)];
  const exact = dY.dims
    .slice(2)
    .every((out, i) => out + mirrored[i]! + mirrored[kernel.length + i]! - reach[i]! + 1 === spatial[i]);
  if (group === 1 && strides.every((s) => s === 1) && mirrored.every((pad) => pad >= 0) && exact) {
    const axes = kernel.map((_, i) => 2 + i);
    const turned = g.Transpose(W, { perm: [1, 0, ...axes] });
    const isPoint = kernel.every((k) => k === 1);
    const flipped = isPoint
      ? turned
      : g.Slice(
          turned,
          axes.map(() => -1),
          kernel.map((k) => -k - 1),
          axes,
          axes.map(() => -1),
        );
    return g.Conv(dY, flipped, { dilations: [...dilations], pads: mirrored });
  }
  const output_padding = spatial.map(
    (size, i) => size - ((dY.dims[2 + i]! - 1) * strides[i]! + reach[i]! - begin[i]! - end[i]!),
  );
  return g.ConvTranspose(dY, W, {
    strides: [...strides],
    dilations: [...dilations],
    pads: [...begin, ...end],
    output_padding,
    group,
  });
}

/** dW [O, C/group, ...kernel] from X [N, C, ...size] and dY [N, O, ...out]. */
export function convWeightSlope(
  X: StaticValue,
  dY: StaticValue,
  weightDims: readonly number[],
  { kernel, strides, dilations, begin, end, out }: Window,
  group: number,
  g: Builder,
): StaticValue {
  const [n, channels] = X.dims as [number, number];
  const filters = dY.dims[1]!;
  const isPlane = group === 1 && kernel.length === 2 && channels >= LEAST_CHANNELS;
  if (isPlane && strides.some((s) => s > 1) && X.dims[3]! <= MOST_MOVED) {
    return stridedSlope(X, dY, weightDims, { kernel, strides, dilations, begin }, g);
  }
  const isDense = isPlane && kernel[0]! > 1 && strides.every((s) => s === 1);
  const shifted = isDense && shiftedSlope(X, dY, weightDims, { kernel, dilations, begin }, g);
  if (shifted) return shifted;
  const places = count(out as number[]);
  const axes = kernel.map((_, i) => 2 + i);
  const isPadded = [...begin, ...end].some((pad) => pad > 0);
  const padded = isPadded ? g.Pad(X, [0, 0, ...begin, 0, 0, ...end]) : X;
  const windows = kernelPlaces(kernel).map((place) => {
    const from = place.map((k, i) => k * dilations[i]!);
    const to = from.map((start, i) => start + ((out[i] as number) - 1) * strides[i]! + 1);
    const whole =
      from.every((start, i) => start === 0 && to[i] === padded.dims[2 + i]) && strides.every((s) => s === 1);
    return whole ? padded : g.Slice(padded, from, to, axes, strides.some((s) => s > 1) ? [...strides] : null);
  });

  if (group > 1) {
    const slope = g.reshape(dY, [n, group, filters / group, places]);
    const perPlace = windows.map((window) => {
      const x = g.reshape(window, [n, group, channels / group, places]);
      const sum = g.ReduceSum(g.FusedMatMul(slope, x, { transB: 1 }), [0], { keepdims: 0 }); // [group, O/group, C/group]
      return g.reshape(sum, [filters, channels / group, 1]);
    });
    return g.reshape(perPlace.length === 1 ? perPlace[0]! : g.Concat(...perPlace, { axis: 2 }), weightDims);
  }
  const slope = g.reshape(dY, [n, filters, places]);
  const columns = g.reshape(windows.length === 1 ? windows[0]! : g.Concat(...windows, { axis: 1 }), [
    n,
    windows.length * channels,
    places,
  ]);
  if (windows.length === 1) {
    return g.reshape(g.ReduceSum(g.FusedMatMul(slope, columns, { transB: 1 }), [0], { keepdims: 0 }), weightDims);
  }
  const sum = g.ReduceSum(g.FusedMatMul(columns, slope, { transB: 1 }), [0], { keepdims: 0 }); // [kernel·C, O]
  return g.reshape(g.Transpose(g.reshape(sum, [windows.length, channels, filters]), { perm: [2, 1, 0] }), weightDims);
}

/** With fewer channels the copies are short, and one large product is the better form. */
const LEAST_CHANNELS = 8;
/**
 * Rows up to this long are moved by a product with a matrix of zeros and ones: it runs on all threads, where Pad and Slice copy each
 * short row by itself on one (8 places a row: 7 times faster; 32: 1.6 times).
 */
const MOST_MOVED = 64;

/** [from, to], or one for each offset: column b of the product is column b · stride + offset of the left factor, or zeros. */
function columnMover(from: number, to: number, offsets: readonly number[], stride: number, g: Builder): StaticValue {
  const matrix = new Float32Array(offsets.length * from * to);
  offsets.forEach((offset, k) => {
    for (let b = 0; b < to; b++) {
      const a = b * stride + offset;
      if (a >= 0 && a < from) matrix[(k * from + a) * to + b] = 1;
    }
  });
  const dims = offsets.length === 1 ? [from, to] : [offsets.length, from, to];
  return g.constant(float32(dims, matrix), 'column_mover');
}

/** The places of a kernel along an axis, from the first element of the input. */
const offsetsOf = (
  { kernel, dilations, begin }: Pick<Window, 'kernel' | 'dilations' | 'begin'>,
  axis: number,
): number[] => Array.from({ length: kernel[axis]! }, (_, k) => k * dilations[axis]! - begin[axis]!);

/** Rows at these places of x [N, C, H, W]; those outside are zeros. */
function pickRows(x: StaticValue, places: readonly number[], g: Builder): StaticValue {
  const [n, channels, height, width] = x.dims as [number, number, number, number];
  const isInside = (y: number): boolean => y >= 0 && y < height;
  const closed = places.every(isInside) ? x : g.Concat(x, zerosOf([n, channels, 1, width], g), { axis: 2 });
  return g.Gather(
    closed,
    places.map((y) => (isInside(y) ? y : height)),
    { axis: 2 },
  );
}

/** dW of a plane with strides: rows of X picked for every place of the kernel, then columns, then one product for each column. */
function stridedSlope(
  X: StaticValue,
  dY: StaticValue,
  weightDims: readonly number[],
  window: Pick<Window, 'kernel' | 'strides' | 'dilations' | 'begin'>,
  g: Builder,
): StaticValue {
  const [n, channels, , width] = X.dims as [number, number, number, number];
  const [, filters, high, wide] = dY.dims as [number, number, number, number];
  const [kh, kw] = window.kernel as [number, number];
  const places = offsetsOf(window, 0).flatMap((offset) =>
    Array.from({ length: high }, (_, y) => y * window.strides[0]! + offset),
  );
  const rows = g.reshape(pickRows(X, places, g), [n * channels * kh * high, width]);
  const mover = columnMover(width, wide, offsetsOf(window, 1), window.strides[1]!, g);
  const columns = g.reshape(g.MatMul(rows, mover), [kw, n, channels * kh, high * wide]);
  const slope = g.reshape(dY, [1, n, filters, high * wide]);
  const sum = g.ReduceSum(g.FusedMatMul(columns, slope, { transB: 1 }), [1], { keepdims: 0 }); // [kw, C·kh, O]
  return g.reshape(g.Transpose(g.reshape(sum, [kw, channels, kh, filters]), { perm: [3, 1, 2, 0] }), weightDims);
}

/**
 * dW of a plane at stride 1 with kh + kw shifted copies in place of kh · kw.
 *
 *   dW[o, c, i, j] = Σ_{n, y, x} dY[n, o, y, x] · X[n, c, y + i − top, x + j − left]         dilation 1
 *
 * One side gives its rows shifted by i (a Gather of whole rows, those outside being a row of zeros), the other its columns
 * shifted by j; a product per j then has every i at once. Both ways are equal; the one that copies less
 * is taken. Undefined where a kernel reaches past the whole input.
 */
function shiftedSlope(
  X: StaticValue,
  dY: StaticValue,
  weightDims: readonly number[],
  { kernel, dilations, begin }: Pick<Window, 'kernel' | 'dilations' | 'begin'>,
  g: Builder,
): StaticValue | undefined {
  const [n, channels, , width] = X.dims as [number, number, number, number];
  const [, filters, , wide] = dY.dims as [number, number, number, number];
  const offsets = (axis: 0 | 1): number[] => offsetsOf({ kernel, dilations, begin }, axis);
  const plan = (rows: StaticValue, columns: StaticValue, sign: 1 | -1) => {
    const [from, to] = [rows.dims[2]!, columns.dims[2]!];
    const picked = offsets(0).flatMap((offset) => Array.from({ length: to }, (_, y) => y + sign * offset));
    const shifts = offsets(1).map((offset) => {
      const left = sign === 1 ? offset : -offset;
      return [left, rows.dims[3]! - columns.dims[3]! - left] as const;
    });
    const isOpen = picked.some((y) => y < 0 || y >= from);
    const moved = shifts.filter(([left, right]) => left !== 0 || right !== 0).length;
    const copies = count(rows.dims) * (kernel[0]! * (to / from) + Number(isOpen)) + moved * count(columns.dims);
    return { rows, columns, picked, shifts, copies, to };
  };
  const fromX = plan(X, dY, 1);
  const fromY = plan(dY, X, -1);
  const isX = fromX.copies < fromY.copies;
  const { rows, columns, picked, shifts, to } = isX ? fromX : fromY;
  // A Pad cuts less than there is.
  const cut = (shift: number): number => Math.max(0, -shift);
  if (shifts.some(([left, right]) => cut(left) + cut(right) >= columns.dims[3]!)) return undefined;
  const [rowChannels, columnChannels] = isX ? [channels, filters] : [filters, channels];
  const across = isX ? width : wide;
  const gathered = g.reshape(pickRows(rows, picked, g), [n, rowChannels * kernel[0]!, to * across]);
  const moved = (left: number, right: number): StaticValue => {
    if (left === 0 && right === 0) return columns;
    const from = columns.dims[3]!;
    if (from > MOST_MOVED) return g.Pad(columns, [0, 0, 0, left, 0, 0, 0, right]);
    return g.MatMul(g.reshape(columns, [count(columns.dims) / from, from]), columnMover(from, across, [-left], 1, g));
  };
  const products = shifts.map(([left, right]) => {
    const flat = g.reshape(moved(left, right), [n, columnChannels, to * across]);
    const sum = g.ReduceSum(g.FusedMatMul(gathered, flat, { transB: 1 }), [0], { keepdims: 0 });
    return g.reshape(sum, [1, rowChannels, kernel[0]!, columnChannels]);
  });
  const all = products.length === 1 ? products[0]! : g.Concat(...products, { axis: 0 }); // [kw, rows, kh, columns]
  return g.reshape(g.Transpose(all, { perm: isX ? [3, 1, 2, 0] : [1, 3, 2, 0] }), weightDims);
}

/** Every place of the kernel, the last axis running fastest. */
function kernelPlaces(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}
