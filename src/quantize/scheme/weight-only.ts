import type { BlockBits } from '../blocks.ts';
import { given } from '../given.ts';
import { targets } from '../target.ts';
import { quantizeWeights, type WeightOnlyOptions } from '../weight-only.ts';
import type { Scheme } from './scheme.ts';

/** Weights in blocks of few bits, activations in floats. */
export const weightOnlyScheme: Scheme = {
  about: 'weights of matrix products in 2, 4 or 8 bits, activations in floats',
  async run(model, { bits, block, exclude, target, round = 'nearest' }) {
    const method = round === 'nearest' ? 'rtn' : (round as WeightOnlyOptions['method']);
    const { model: written, report } = quantizeWeights(model, {
      ...given({ bits: bits as BlockBits | undefined, block, exclude, method }),
      ...(target && { accuracyLevel: targets[target].accuracyLevel }),
    });
    return { model: written, scheme: report.scheme, quantized: report.quantized.length, kept: report.kept };
  },
};
