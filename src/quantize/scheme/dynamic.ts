import { quantizeDynamic } from '../dynamic.ts';
import { given } from '../given.ts';
import { targets } from '../target.ts';
import type { Scheme } from './scheme.ts';

/** Weights as integers; activations become integers at each run. */
export const dynamicScheme: Scheme = {
  about: '8-bit weights of matrix products, activations rounded at each run; needs no samples',
  takes: ['perTensor', 'target', 'portable'],
  async run(model, { perTensor, portable, exclude, target }, lab) {
    const { model: written, report } = await quantizeDynamic(
      model,
      {
        ...given({ exclude }),
        perChannel: !perTensor,
        ...(target && { pairSafe: targets[target].pairSafe }),
        ...(portable && { pairSafe: true }),
      },
      lab,
    );
    return { model: written, scheme: report.scheme, quantized: report.quantized.length, kept: report.kept };
  },
};
