import { quantize } from '../quantize.ts';
import { given, type Scheme } from './scheme.ts';

/** Weights and activations as integers on fixed grids, calibrated on samples. */
export const staticScheme: Scheme = {
  about: 'weights and activations as 8-bit integers, calibrated on samples',
  needsData: 'samples to calibrate on',
  async run(model, { data, perTensor, portable, bits, ...options }, lab) {
    const { model: written, report } = await quantize(
      model,
      {
        ...given(options),
        data: data!,
        perChannel: !perTensor,
        ...(bits !== undefined && { weightBits: bits as 7 | 8 }),
        ...(portable && { pairSafe: true }),
      },
      lab,
    );
    const { scheme, quantized, kept, weightBits, pairSafe, agreement, escalation, fused } = report;
    return {
      model: written,
      scheme,
      quantized,
      kept,
      details: { weightBits, pairSafe, agreement, calibrationSamples: report.samples, escalation, engine: fused },
    };
  },
};
