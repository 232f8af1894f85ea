/** Structured pruning to a share of the MACs, of the parameters, or both. */

import { showShare } from '../../base/unit.ts';
import { costOf } from '../../cost/cost.ts';
import { modernize } from '../../ops/modern.ts';
import { criteria, prune as pruneModel, rankings, usesBatchNorm } from '../../prune/index.ts';
import { count, flag, oneOf, share } from '../option.ts';
import { step } from '../step.ts';

export const prune = step({
  about: 'remove whole channels, neurons and heads',
  options: {
    keepMacs: share('share of the multiply-accumulates that stays'),
    keepParameters: share('share of the parameters that stays'),
    by: oneOf(criteria, 'criterion', 'wanda'),
    rank: oneOf(rankings, 'who competes with whom', 'global'),
    maxShare: share('the largest share that a group may lose', 0.9),
    roundTo: count('widths of convolutions are multiples of this; default: what this engine likes'),
    samples: count('samples for slopes and activations', 256),
    mend: flag('fit what stays to the answers before the cut, where there are samples', true),
  },
  needsSamples: false,
  async run(model, { keepMacs, keepParameters, by, rank, maxShare, roundTo, samples, mend }, { learn }, lab) {
    const whole = costOf(modernize(model));
    // widths of whole blocks are what the engine is fast with; where that leaves nothing to cut, finer ones
    const rounds = lab.engine.blockSize > 0 ? [lab.engine.blockSize, undefined] : [undefined];
    let [now, round] = [model, roundTo];
    for (const [what, wanted] of [
      ['macs', keepMacs],
      ['parameters', keepParameters],
    ] as const) {
      if (wanted === undefined) continue;
      const keep = (wanted * whole[what]) / Math.max(1, costOf(modernize(now))[what]);
      if (keep >= 1) continue;
      const budget = what === 'macs' ? { macs: keep } : { parameters: keep };
      const isMended = mend && learn !== undefined;
      const how = {
        ...{ keep: budget, by, rank, maxShare, samples, data: learn },
        reconstruct: isMended,
        reestimate: isMended && usesBatchNorm(now),
      };
      for (const widths of round === undefined ? rounds : [round]) {
        const { model: cut, report } = await pruneModel(now, { ...how, roundTo: widths }, lab);
        if (report.fault !== undefined || costOf(modernize(cut))[what] >= costOf(modernize(now))[what]) continue;
        now = cut;
        round = report.roundTo;
        break;
      }
    }
    const left = costOf(modernize(now));
    return {
      model: now,
      ...(round !== undefined && { settled: { roundTo: round } }),
      notes: [
        `${showShare(left.macs / Math.max(1, whole.macs), 0)} of the MACs, ${showShare(left.parameters / Math.max(1, whole.parameters), 0)} of the parameters stay`,
      ],
    };
  },
});
