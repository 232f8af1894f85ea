/** Sampling, cropping and boxes: what detectors and spatial transformers use. Carried, with shapes and costs. */

import type { Dim } from '../graph/model.ts';
import { count, fromFront } from './answer.ts';
import { carried } from './carried.ts';
import { float, int, ints, text } from './op.ts';
import { exactly } from './sample.ts';
import { windowOf } from './window.ts';

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
});

/** Each axis cut or padded about its middle. */
export const CenterCropPad = carried('CenterCropPad', {
  inputs: ['X', 'shape'],
  attrs: { axes: ints() },
  shape: ({ X, shape }, { axes }) => {
    const along = (axes ?? X.dims.map((_, i) => i)).map((axis) => fromFront(axis, X.dims.length));
    return X.dims.map((dim, i) => (along.includes(i) ? (shape.ints?.[along.indexOf(i)] ?? null) : dim));
  },
});

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
});

export const MaxRoiPool = carried('MaxRoiPool', {
  inputs: ['X', 'rois'],
  attrs: { pooled_shape: ints([]), spatial_scale: float(1) },
  shape: ({ X, rois }, { pooled_shape }) => [rois.dims[0]!, X.dims[1]!, ...pooled_shape],
});

/** How many boxes stay is only known after looking. */
export const NonMaxSuppression = carried('NonMaxSuppression', {
  inputs: ['boxes', 'scores', 'max_output_boxes_per_class?', 'iou_threshold?', 'score_threshold?'],
  attrs: { center_point_box: int(0) },
  shape: () => ({ dims: [null, 3], dtype: 'int64' }),
  grad: 'none',
});

export const DeformConv = carried('DeformConv', {
  inputs: ['X', 'W', 'offset', 'B?', 'mask?'],
  attrs: {
    dilations: ints(),
    group: int(1),
    kernel_shape: ints(),
    offset_group: int(1),
    pads: ints(),
    strides: ints(),
  },
  shape: ({ X, W }, a) => [
    X.dims[0]!,
    W.dims[0]!,
    ...windowOf(X.dims.slice(2), (a.kernel_shape ?? W.dims.slice(2)) as number[], a).out,
  ],
  cost: ({ W, Y }) => ({ macs: count(Y.dims) * count(W.dims.slice(1)) }),
  samples: [
    {
      X: [1, 1, 3, 3],
      W: [1, 1, 2, 2],
      offset: exactly('float32', [1, 8, 2, 2], new Array<number>(32).fill(0)),
      attrs: { kernel_shape: [2, 2] },
      macs: 4 * 4,
    },
  ],
});

export const ImageDecoder = carried('ImageDecoder', {
  since: 20,
  inputs: ['encoded'],
  attrs: { pixel_format: text('RGB') },
  shape: (_, { pixel_format }) => ({ dims: [null, null, pixel_format === 'Grayscale' ? 1 : 3], dtype: 'uint8' }),
  grad: 'none',
});
