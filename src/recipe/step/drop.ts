/** Residual blocks are left out. */

import { PareError } from '../../base/error.ts';
import { dropBlocks, reestimate, usesBatchNorm } from '../../prune/index.ts';
import { count, share } from '../option.ts';
import { step } from '../step.ts';

export const drop = step({
  about: 'leave out residual blocks, those that change least first',
  options: {
    keepMacs: share('share of the multiply-accumulates that stays', 0.5),
    samples: count('samples to look at', 64),
  },
  needsSamples: true,
  async run(model, { keepMacs, samples }, { learn }, lab) {
    if (!learn) throw new PareError('recipe/data', 'The step "drop" needs samples.', { expected: '--data SPEC' });
    const { model: shallow, report } = await dropBlocks(model, { keepMacs, samples, data: learn }, lab);
    const { blocks, dropped } = report;
    return {
      model: usesBatchNorm(shallow) ? await reestimate(shallow, learn, {}, lab) : shallow,
      notes: [`${dropped.length} of ${blocks.length} residual blocks left out`],
    };
  },
});
