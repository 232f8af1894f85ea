/** Exact rewrites: fold, merge, drop. */

import { PareError } from '../../base/error.ts';
import { pick } from '../../base/suggest.ts';
import type { Model } from '../../graph/model.ts';
import { runsOn } from '../../report/runs-on.ts';
import { type RuleName, rewrite, rules, SIMPLIFYING, simplifyChecked } from '../../rewrite/index.ts';
import type { Lab } from '../../runtime/index.ts';
import { evaluator } from '../evaluator.ts';
import { names } from '../option.ts';
import { step } from '../step.ts';

const ruleNames = Object.fromEntries((Object.keys(rules) as RuleName[]).map((name) => [name, name]));

export const simplify = step({
  about: 'fold and merge layers: the same answers from fewer nodes',
  options: { also: names('exact rules besides those that never add arithmetic', []) },
  needsSamples: false,
  async run(model, { also }, { learn }, lab) {
    const chosen = [...SIMPLIFYING, ...also.map((name) => pick(ruleNames, name, 'rule'))];
    const { model: lean, report } = await checked(model, runsOn(model, lab, { data: learn }), chosen, lab);
    return { model: lean, notes: [`${report.fired.length} ${report.fired.length === 1 ? 'rewrite' : 'rewrites'}`] };
  },
});

/** Proven by running; where the model cannot be run on samples of ours, the rules are trusted. */
async function checked(model: Model, run: ReturnType<typeof runsOn>, chosen: readonly RuleName[], lab: Lab) {
  try {
    return await simplifyChecked(model, { run, evaluate: evaluator(lab) }, chosen);
  } catch (thrown) {
    if (!(thrown instanceof PareError) || !/^(data|engine)\//.test(thrown.code)) throw thrown;
    lab.onNote?.(`the rewrites could not be checked by running the model: ${thrown.message}`);
    return rewrite(model, chosen);
  }
}
