import { pick } from '../../base/suggest.ts';
import { given } from '../given.ts';
import { toQOperators } from '../qoperator.ts';
import { quantize } from '../quantize.ts';
import { type RoundingName, roundings } from '../round/index.ts';
import { kernelFormOf, targets } from '../target.ts';
import type { Scheme } from './scheme.ts';

const ROUNDING_NAMES = Object.fromEntries(Object.keys(roundings).map((name) => [name, name])) as Record<
  RoundingName,
  RoundingName
>;

/** Weights and activations as integers on fixed grids, calibrated on samples. */
export const staticScheme: Scheme = {
  about: 'weights and activations as 8-bit integers, calibrated on samples',
  needsData: 'samples to calibrate on',
  takes: [
    'bits',
    'samples',
    'calibrate',
    'perTensor',
    'activations',
    'equalize',
    'smooth',
    'biasCorrect',
    'iterations',
    'round',
    'products',
    'target',
    'format',
    'maxBytes',
    'maxMs',
    'kernels',
    'portable',
  ],
  async run(model, { data, perTensor, portable, bits, round, target, format = 'qdq', ...options }, lab) {
    // What leaves the integers is stored by rounding to nearest in 8 bits: other wishes keep their kernels.
    const isPlain = (bits ?? 8) === 8 && (round ?? 'nearest') === 'nearest';
    // Other forms of activations are asked for by other machines.
    const isForHere = !target && (options.activations ?? 'u8') === 'u8';
    const { model: written, report } = await quantize(
      model,
      {
        ...given(options),
        data: data!,
        ...(round !== undefined && { round: pick(ROUNDING_NAMES, round, 'rounding for this scheme') }),
        perChannel: !perTensor,
        ...(bits !== undefined && { weightBits: bits }),
        ...(target && kernelFormOf(target)),
        ...(portable && { pairSafe: true, strips: false }),
        kernels:
          options.kernels ??
          (isPlain && isForHere && format === 'qdq' && options.maxBytes === undefined ? 'measured' : 'all'),
      },
      lab,
    );
    const {
      scheme,
      quantized,
      kept,
      weightBits,
      rounding,
      biasCorrection,
      pairSafe,
      agreement,
      escalation,
      fused,
      speed,
      narrowed,
      quickened,
    } = report;
    if (target && !targets[target].integerKernels) {
      lab.onNote?.(
        `${target} has no integer kernels for these layers: the file computes in floats there (--scheme weight-only or fp16 gain more)`,
      );
    }
    return {
      model: format === 'qoperator' ? toQOperators(written) : written,
      scheme,
      quantized,
      kept,
      details: {
        weightBits,
        rounding,
        biasCorrection,
        pairSafe,
        agreement,
        calibrationSamples: report.samples,
        escalation,
        engine: fused,
        speed,
        narrowed,
        quickened,
      },
    };
  },
};
