/** Sampling, cropping and boxes: what detectors and spatial transformers use. */

import type { Dim } from '../graph/model.ts';
import { count, fromFront, knownInts } from './answer.ts';
import { carried } from './carried.ts';
import { int, ints, text } from './op.ts';
import { exactly, intVector } from './sample.ts';

export const AffineGrid = carried('AffineGrid', {
  inputs: ['theta', 'size'],
  attrs: { align_corners: int(0) },
  shape: ({ theta, size }) => {
    const wanted = size.ints;
    const rank = size.dims[0];
    if (!wanted)
      return typeof rank === 'number' ? [theta.dims[0]!, ...new Array<Dim>(rank - 2).fill(null), rank - 2] : null;
    return [wanted[0]!, ...wanted.slice(2), wanted.length - 2];
  },
  // Places from −1 to 1 (the last axis first) and a 1, times the matrix of each sample.
  decompose: ({ theta, size }, { align_corners }, g) => {
    const wanted = knownInts(size);
    if (!wanted) return undefined;
    const [batch, spatial] = [wanted[0]!, wanted.slice(2)];
    const places = basePlaces(spatial, align_corners === 1);
    const base = g.constant(exactly('float32', [1, count(spatial), spatial.length + 1], places), 'places');
    return [g.reshape(g.MatMul(base, g.Transpose(theta, { perm: [0, 2, 1] })), [batch, ...spatial, spatial.length])];
  },
  samples: [
    { theta: [2, 2, 3], size: intVector(2, 1, 3, 4) },
    { theta: [1, 3, 4], size: intVector(1, 1, 2, 3, 2), attrs: { align_corners: 1 } },
  ],
});

/** Homogeneous coordinates of every place of a map, row by row. */
function basePlaces(spatial: readonly number[], isAligned: boolean): number[] {
  const along = (i: number, length: number): number =>
    isAligned ? (length === 1 ? 0 : -1 + (2 * i) / (length - 1)) : -1 + (2 * i + 1) / length;
  return Array.from({ length: count(spatial) }, (_, flat) => {
    let rest = flat;
    const place = spatial.toReversed().map((length) => {
      const at = rest % length;
      rest = (rest - at) / length;
      return along(at, length);
    });
    return [...place, 1];
  }).flat();
}

/** Each axis cut or padded about its middle. */
export const CenterCropPad = carried('CenterCropPad', {
  inputs: ['X', 'shape'],
  attrs: { axes: ints() },
  shape: ({ X, shape }, { axes }) => {
    const along = (axes ?? X.dims.map((_, i) => i)).map((axis) => fromFront(axis, X.dims.length));
    return X.dims.map((dim, i) => (along.includes(i) ? (shape.ints?.[along.indexOf(i)] ?? null) : dim));
  },
  decompose: ({ X, shape }, { axes }, g) => {
    const wanted = knownInts(shape);
    if (!wanted) return undefined;
    const along = (axes ?? X.dims.map((_, i) => i)).map((axis) => fromFront(axis, X.dims.length));
    const room = along.map((axis, i) => wanted[i]! - X.dims[axis]!); // below 0: cut
    const start = room.map((by) => Math.floor(Math.max(0, -by) / 2));
    const end = along.map((axis, i) => start[i]! + Math.min(X.dims[axis]!, wanted[i]!));
    const before = room.map((by) => Math.floor(Math.max(0, by) / 2));
    const behind = room.map((by, i) => Math.max(0, by) - before[i]!);
    return [g.Pad(g.Slice(X, start, end, along), [...before, ...behind], null, along)];
  },
  samples: [
    { X: [3, 5], shape: intVector(2, 8) },
    { X: [2, 6, 3], shape: intVector(3), attrs: { axes: [1] } },
  ],
});

/** How many boxes stay is only known after looking. */
export const NonMaxSuppression = carried('NonMaxSuppression', {
  inputs: ['boxes', 'scores', 'max_output_boxes_per_class?', 'iou_threshold?', 'score_threshold?'],
  attrs: { center_point_box: int(0) },
  shape: () => ({ dims: [null, 3], dtype: 'int64' }),
  grad: 'none',
});

export const ImageDecoder = carried('ImageDecoder', {
  since: 20,
  inputs: ['encoded'],
  attrs: { pixel_format: text('RGB') },
  shape: (_, { pixel_format }) => ({ dims: [null, null, pixel_format === 'Grayscale' ? 1 : 3], dtype: 'uint8' }),
  grad: 'none',
});
