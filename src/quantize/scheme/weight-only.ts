import type { BlockedMethodName } from '../blocked/index.ts';
import type { BlockBits } from '../blocks.ts';
import { given } from '../given.ts';
import { targets } from '../target.ts';
import { quantizeWeights } from '../weight-only.ts';
import type { Scheme } from './scheme.ts';

/** Weights in blocks of few bits, activations in floats. */
export const weightOnlyScheme: Scheme = {
  about: 'weights of matrix products in 2, 4 or 8 bits, activations in floats',
  takes: ['bits', 'samples', 'block', 'round', 'standard', 'embeddings', 'target'],
  async run(model, { bits, block, standard, embeddings, exclude, target, data, samples, round = 'nearest' }, lab) {
    const { model: written, report } = await quantizeWeights(
      model,
      {
        ...given({ bits: bits as BlockBits | undefined, block, standard, embeddings, exclude, data, samples }),
        method: round as BlockedMethodName,
        ...(target && { accuracyLevel: targets[target].accuracyLevel }),
      },
      lab,
    );
    return { model: written, scheme: report.scheme, quantized: report.quantized.length, kept: report.kept };
  },
};
