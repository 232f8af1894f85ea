/** Runs of layers become single layers. */

import { PareError } from '../../base/error.ts';
import { collapse as collapseModel } from '../../compress/index.ts';
import { count, share } from '../option.ts';
import { step } from '../step.ts';

export const collapse = step({
  about: 'replace runs of layers by single layers, fitted to what they did',
  options: {
    keepMacs: share('share of the multiply-accumulates that stays', 0.5),
    samples: count('samples to fit to', 512),
  },
  needsSamples: true,
  async run(model, { keepMacs, samples }, { learn }, lab) {
    if (!learn) throw new PareError('recipe/data', 'The step "collapse" needs samples.', { expected: '--data SPEC' });
    const how = { keep: { macs: keepMacs }, samples: Math.min(samples, learn.size) };
    const { model: made, report } = await collapseModel(model, how, learn, lab);
    return { model: made, notes: report.rewrites.map(({ place, what }) => `${place}: ${what}`) };
  },
});
