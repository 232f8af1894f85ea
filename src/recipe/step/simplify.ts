/** Exact rewrites: fold, merge, drop. */

import { PareError } from '../../base/error.ts';
import type { Model } from '../../graph/model.ts';
import { runsOn } from '../../report/runs-on.ts';
import { rewrite, simplifyChecked } from '../../rewrite/index.ts';
import type { Lab } from '../../runtime/index.ts';
import { evaluator } from '../evaluator.ts';
import { step } from '../step.ts';

export const simplify = step({
  about: 'fold and merge layers: the same answers from fewer nodes',
  options: {},
  needsSamples: false,
  async run(model, _, { learn }, lab) {
    const { model: lean, report } = await checked(model, runsOn(model, lab, { data: learn }), lab);
    return { model: lean, notes: [`${report.fired.length} rewrites`] };
  },
});

/** Proven by running; where the model cannot be run on samples of ours, the rules are trusted. */
async function checked(model: Model, run: ReturnType<typeof runsOn>, lab: Lab) {
  try {
    return await simplifyChecked(model, { run, evaluate: evaluator(lab) });
  } catch (thrown) {
    if (!(thrown instanceof PareError) || !/^(data|engine)\//.test(thrown.code)) throw thrown;
    lab.onNote?.(`the rewrites could not be checked by running the model: ${thrown.message}`);
    return rewrite(model);
  }
}
