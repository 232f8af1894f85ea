import { given } from '../given.ts';
import { toHalfStorage } from '../half.ts';
import type { Scheme } from './scheme.ts';

/** Weights stored in 16 bits with the range of 32. */
export const bf16Scheme: Scheme = {
  about: 'weights stored as bfloat16: the range of float32 with 8 bits of precision',
  takes: [],
  async run(model, { exclude }) {
    const { model: written, report } = toHalfStorage(model, { ...given({ exclude }), as: 'bfloat16' });
    return { model: written, scheme: report.scheme, quantized: report.quantized.length, kept: report.kept };
  },
};
