import { agreement } from '../agreement.ts';
import { chooseSamples } from '../calibrated.ts';
import { openViewed } from '../engine-view.ts';
import { given } from '../given.ts';
import { quantizeAware } from '../qat.ts';
import { kernelFormOf } from '../target.ts';
import type { Scheme } from './scheme.ts';

const CHECKED = 64;

/** Weights and activations as integers, learnt rather than calibrated. */
export const qatScheme: Scheme = {
  about: 'as static, and the network learns while it rounds, from its own float answers',
  needsData: 'samples to learn from',
  takes: ['bits', 'samples', 'calibrate', 'perTensor', 'activations', 'epochs', 'lr', 'products', 'target', 'portable'],
  async run(model, { data, bits, perTensor, target, portable, ...options }, lab) {
    const {
      model: written,
      report,
      plan,
    } = await quantizeAware(
      model,
      {
        ...given(options),
        data: data!,
        perChannel: !perTensor,
        ...(bits !== undefined && { weightBits: bits }),
        ...(target && kernelFormOf(target)),
        ...(portable && { pairSafe: true, strips: false }),
      },
      lab,
    );
    using viewed = await openViewed(written, lab);
    return {
      model: written,
      scheme: `int8 by quantisation-aware training, ${options.activations ?? 'u8'} activations, s8 weights of ${report.weightBits} bits per ${perTensor ? 'tensor' : 'channel'}`,
      quantized: plan.kernels.size,
      kept: plan.kept,
      details: {
        ...report,
        agreement: await agreement(model, viewed.session, data!, chooseSamples(data!, CHECKED, lab.seed), lab),
      },
    };
  },
};
