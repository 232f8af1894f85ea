/** Spectra and windows. Carried, with shapes. */

import { minus, over, plus } from '../graph/dim.ts';
import { dtypeOf } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { fromFront, knownInts } from './answer.ts';
import { carried } from './carried.ts';
import { int, type Row } from './op.ts';
import { exactly } from './sample.ts';

const DEFAULT_AXIS = -2;

export const DFT = carried('DFT', {
  inputs: ['X', 'dft_length?', 'axis?'],
  attrs: { inverse: int(0), onesided: int(0) },
  // The last axis holds real and imaginary parts.
  shape: ({ X, dft_length, axis }, { inverse, onesided }) => {
    const at = fromFront(axis ? (knownInts(axis)?.[0] ?? DEFAULT_AXIS) : DEFAULT_AXIS, X.dims.length);
    const given = dft_length ? (dft_length.ints?.[0] ?? null) : X.dims[at]!;
    const half: Dim = onesided === 1 && inverse === 0 ? plus(over(given, 2), 1) : given;
    const whole = onesided === 1 && inverse === 1 && !dft_length && typeof given === 'number' ? 2 * (given - 1) : half;
    const parts = onesided === 1 && inverse === 1 ? 1 : 2;
    return X.dims.map((dim, i) => (i === at ? whole : i === X.dims.length - 1 ? parts : dim));
  },
  history: [
    {
      // Up to opset 19 the axis was an attribute, 1 by default.
      until: 19,
      modern: (node, make) => {
        const { axis, ...attrs } = node.attrs;
        const at = make.constant('axis', exactly('int64', [], [axis?.kind === 'int' ? axis.value : 1]));
        return { ...node, attrs, inputs: [node.inputs[0]!, node.inputs[1] ?? '', at] };
      },
    },
  ],
});

export const STFT = carried('STFT', {
  inputs: ['signal', 'frame_step', 'window?', 'frame_length?'],
  attrs: { onesided: int(1) },
  shape: ({ signal, frame_step, window, frame_length }, { onesided }) => {
    const step = frame_step.ints?.[0] ?? null;
    const length = frame_length ? (frame_length.ints?.[0] ?? null) : (window?.dims[0] ?? null);
    const frames = plus(over(minus(signal.dims[1]!, length), step), 1);
    return [signal.dims[0]!, frames, onesided === 1 ? plus(over(length, 2), 1) : length, 2];
  },
});

export const MelWeightMatrix = carried('MelWeightMatrix', {
  inputs: ['num_mel_bins', 'dft_length', 'sample_rate', 'lower_edge_hertz', 'upper_edge_hertz'],
  attrs: { output_datatype: int(1) },
  shape: ({ num_mel_bins, dft_length }, { output_datatype }) => ({
    dims: [plus(over(dft_length.ints?.[0] ?? null, 2), 1), num_mel_bins.ints?.[0] ?? null],
    dtype: dtypeOf(output_datatype) ?? 'float32',
  }),
  grad: 'none',
});

const window = (type: string): Row =>
  carried(type, {
    inputs: ['size'],
    attrs: { output_datatype: int(1), periodic: int(1) },
    shape: ({ size }, { output_datatype }) => ({
      dims: [size.ints?.[0] ?? null],
      dtype: dtypeOf(output_datatype) ?? 'float32',
    }),
    grad: 'none',
    samples: [{ size: exactly('int64', [], [6]) }],
  });
export const HannWindow = window('HannWindow');
export const HammingWindow = window('HammingWindow');
export const BlackmanWindow = window('BlackmanWindow');

export const Det = carried('Det', {
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => X.dims.slice(0, -2),
  samples: [{ X: [2, 3, 3] }],
});
