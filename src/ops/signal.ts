/** Spectra and windows. */

import { minus, over, plus } from '../graph/dim.ts';
import { dtypeOf } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { fromFront, knownInts } from './answer.ts';
import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import { wereAttributes } from './history.ts';
import { int, type Row, type StaticValue } from './op.ts';
import { exactly } from './sample.ts';

const DEFAULT_AXIS = -2;

/** Entries of a matrix of angles, at most. */
const LARGEST = 2 ** 22;

interface Transform {
  /** Samples that are given, and those that are transformed: the rest is 0. */
  readonly given: number;
  readonly length: number;
  readonly inverse?: boolean;
  readonly onesided: boolean;
}

/**
 * The discrete Fourier transform along the last axis as products with cosines and sines: [1, …, time] for each part given,
 * real then imaginary; [2, …, frequency]. Undefined where the matrices would be too large.
 */
function spectrum(
  [real, imaginary]: readonly StaticValue[],
  { given, length, inverse = false, onesided }: Transform,
  g: Builder,
): StaticValue | undefined {
  const bins = onesided ? Math.floor(length / 2) + 1 : length;
  if (given * bins > LARGEST) return undefined;
  const scale = inverse ? 1 / length : 1;
  const table = (wave: (angle: number) => number): StaticValue => {
    const values = Float32Array.from({ length: given * bins }, (_, i) => {
      const turns = (Math.floor(i / bins) * (i % bins)) % length;
      return scale * wave((2 * Math.PI * turns) / length);
    });
    return g.constant(float32([given, bins], values), 'angles');
  };
  const [c, s] = [table(Math.cos), table((angle) => (inverse ? -1 : 1) * Math.sin(angle))];
  const rc = g.MatMul(real, c);
  const rs = g.Neg(g.MatMul(real, s));
  if (!imaginary) return g.Concat(rc, rs, { axis: 0 });
  return g.Concat(g.Add(rc, g.MatMul(imaginary, s)), g.Add(rs, g.MatMul(imaginary, c)), { axis: 0 });
}

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
  grad: 'missing', // of real signals from half a spectrum, and of very long ones
  decompose: ({ X, dft_length, axis }, { inverse, onesided }, g) => {
    const rank = X.dims.length;
    const at = fromFront(axis ? (knownInts(axis)?.[0] ?? DEFAULT_AXIS) : DEFAULT_AXIS, rank);
    const length = dft_length ? knownInts(dft_length)?.[0] : X.dims[at]!;
    if (length === undefined || (inverse === 1 && onesided === 1)) return undefined;
    const given = Math.min(length, X.dims[at]!); // shorter signals are filled up with zeros, longer ones cut
    const cut = given < X.dims[at]! ? g.Slice(X, [0], [given], [at]) : X;
    const behind = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== at && i !== rank - 1);
    const perm = [rank - 1, ...behind, at]; // parts, …, time
    const parts = X.dims[rank - 1]!;
    const split = g.emit('Split', [g.Transpose(cut, { perm })], { axis: 0, num_outputs: parts }, { outputs: parts });
    const made = spectrum(split, { given, length, inverse: inverse === 1, onesided: onesided === 1 }, g);
    return made && [g.Transpose(made, { perm: perm.map((_, i) => perm.indexOf(i)) })];
  },
  samples: [
    { X: [1, 6, 1], axis: exactly('int64', [], [1]) },
    { X: [2, 5, 2], axis: exactly('int64', [], [1]), attrs: { inverse: 1 } },
    { X: [1, 8, 1], axis: exactly('int64', [], [1]), attrs: { onesided: 1 } },
  ],
  history: [wereAttributes(19, { name: 'axis', at: 2, kind: 'int', fallback: 1 })],
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
  decompose: ({ signal, frame_step, window, frame_length }, { onesided }, g) => {
    const step = knownInts(frame_step)?.[0];
    const length = frame_length ? knownInts(frame_length)?.[0] : window?.dims[0];
    const [batch, samples] = signal.dims as [number, number];
    if (!step || !length || (signal.dims[2] ?? 1) > 1) return undefined;
    const frames = Math.floor((samples - length) / step) + 1;
    const places = Array.from({ length: frames * length }, (_, i) => Math.floor(i / length) * step + (i % length));
    const framed = g.reshape(g.Gather(g.reshape(signal, [batch, samples]), g.ints(places), { axis: 1 }), [
      1,
      batch,
      frames,
      length,
    ]);
    const shown = window ? g.Mul(framed, window) : framed;
    const made = spectrum([shown], { given: length, length, onesided: onesided === 1 }, g);
    return made && [g.Transpose(made, { perm: [1, 2, 3, 0] })];
  },
  samples: [
    {
      signal: [2, 10, 1],
      frame_step: exactly('int64', [], [3]),
      window: [4],
      frame_length: exactly('int64', [], [4]),
    },
    {
      signal: [1, 9, 1],
      frame_step: exactly('int64', [], [2]),
      window: [5],
      frame_length: exactly('int64', [], [5]),
      attrs: { onesided: 0 },
    },
  ],
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
