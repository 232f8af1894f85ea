/** Integers: kernels where they are asked for, storage for the rest. */

import { PareError } from '../../base/error.ts';
import { modernize } from '../../ops/modern.ts';
import { calibrators, quantize as quantizeModel, saturates } from '../../quantize/index.ts';
import { storeWeights } from '../../quantize/store.ts';
import { count, flag, names, oneOf } from '../option.ts';
import { step } from '../step.ts';

export const quantize = step({
  about: '8-bit integers: weights and activations, calibrated on samples',
  options: {
    calibrate: oneOf(calibrators, 'how ranges of activations are chosen', 'minmax'),
    samples: count('samples to calibrate on', 300),
    exclude: names('nodes or ops that compute in floats', []),
    perChannel: flag('a weight scale per channel', true),
    products: flag('quantise products of two computed values, as in attention', false),
    pairSafe: flag(
      'keep pairs of weights safe for processors that add products in 16 bits; default: as this one needs',
    ),
    store: flag('store the weights of what stays float as integers too', true),
  },
  needsSamples: true,
  async run(model, { store, pairSafe, samples, ...options }, { learn }, lab) {
    if (!learn) throw new PareError('recipe/data', 'The step "quantize" needs samples.', { expected: '--data SPEC' });
    const safe = pairSafe ?? (await saturates(lab.engine));
    try {
      const { model: made, report } = await quantizeModel(
        model,
        { ...options, samples: Math.min(samples, learn.size), pairSafe: safe, data: learn },
        lab,
      );
      const floats = report.kept.length;
      return {
        model: store ? storeWeights(made) : made,
        settled: { pairSafe: safe },
        notes: [`${report.quantized} nodes on integers${floats ? `, ${floats} float` : ''}`],
      };
    } catch (thrown) {
      if (!(thrown instanceof PareError) || thrown.code !== 'quantize/nothing' || !store) throw thrown;
      return {
        model: storeWeights(modernize(model)),
        settled: { pairSafe: safe },
        notes: ['no node can run on integers'],
      };
    }
  },
});
