/** Runs of layers become single layers. */

import { PareError } from '../../base/error.ts';
import { collapse as collapseModel, type Kind } from '../../compress/index.ts';
import { amount, count, oneOf, share } from '../option.ts';
import { step } from '../step.ts';

const KINDS = { conv: true, dense: true, 'depthwise-separable': true, mixer: true } satisfies Record<Kind, true>;

export const collapse = step({
  about: 'replace runs of layers by single layers, fitted to what they did',
  options: {
    keepMacs: share('share of the multiply-accumulates that stays; default: half, or with maxError whatever holds it'),
    maxError: amount('largest relative error of a single layer, before learning'),
    by: oneOf(KINDS, 'the only kind of single layer to try'),
    samples: count('samples to fit to', 512),
  },
  needsSamples: true,
  async run(model, { maxError, keepMacs = maxError === undefined ? 0.5 : undefined, by, samples }, { learn }, lab) {
    if (!learn) throw new PareError('recipe/data', 'The step "collapse" needs samples.', { expected: '--data SPEC' });
    const how = {
      ...(keepMacs !== undefined && { keep: { macs: keepMacs } }),
      ...(maxError !== undefined && { maxError }),
      ...(by && { by }),
      samples: Math.min(samples, learn.size),
    };
    const { model: made, report } = await collapseModel(model, how, learn, lab);
    return { model: made, notes: report.rewrites.map(({ place, what }) => `${place}: ${what}`) };
  },
});
