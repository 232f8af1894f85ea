/** Layers become chains of cheaper layers. */

import { factorize as factorizeModel, schemes } from '../../compress/index.ts';
import { count, oneOf, share } from '../option.ts';
import { step } from '../step.ts';

const SCHEMES = { auto: true, ...schemes } as const;

export const factorize = step({
  about: 'cut layers into low-rank chains',
  options: {
    by: oneOf(SCHEMES, 'how layers are cut', 'auto'),
    keepMacs: share('share of the multiply-accumulates that stays', 0.5),
    samples: count('samples that say what matters', 512),
    roundTo: count('ranks are multiples of this; default: what this engine likes'),
  },
  needsSamples: false,
  async run(model, { by, keepMacs, samples, roundTo }, { learn }, lab) {
    const round = roundTo ?? (lab.engine.blockSize || 1);
    const how = {
      by: by as 'auto',
      rank: { keep: { macs: keepMacs } },
      roundTo: round,
      ...(learn && { data: learn, samples: Math.min(samples, learn.size) }),
    };
    const { model: made, report } = await factorizeModel(model, how, lab);
    return {
      model: made,
      settled: { roundTo: round },
      notes: report.rewrites.map(({ place, what }) => `${place}: ${what}`),
    };
  },
});
