/** Gives the most sensitive layers more bits, or takes them back to floats, until no more than a bound is lost. */

import { isWithin } from '../base/unit.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Lab } from '../runtime/index.ts';
import { dropOf, judged } from './accuracy.ts';
import { against, record } from './agreement.ts';
import { type Calibrated, chooseSamples, type WriteOptions } from './calibrated.ts';
import { fewest } from './fewest.ts';
import { type LayerSensitivity, sensitivity } from './sensitivity.ts';
import { mixture } from './slow-layers.ts';

/** Samples for ranking layers, and for judging the whole model. */
const RANKED_ON = 64;
const JUDGED_ON = 2000;

/** What `maxDrop` did. */
export interface Escalation {
  /** Layers that went back to floats, the most sensitive first. */
  readonly reverted: readonly string[];
  /** Those of them whose weights are stored in 8 bits all the same. */
  readonly stored: readonly string[];
  /** Layers of fewer bits that got 8. */
  readonly lifted: readonly string[];
  /** Lost with all layers on integers, and in the end: share of accuracy (or of answers that changed), 0 to 1. */
  readonly dropBefore: number;
  readonly drop: number;
  /** Is the drop within the bound? */
  readonly held: boolean;
  /** Every layer alone, the most sensitive first; empty when nothing had to be reverted. */
  readonly sensitivity: readonly LayerSensitivity[];
}

export interface Escalated {
  /** How the quantised model is to be written. */
  readonly options: WriteOptions;
  readonly report: Escalation;
  /** What is lost when these layers compute in floats too, their weights stored in 8 bits. */
  readonly dropWith: (slow: readonly string[]) => Promise<number>;
}

/** What happens to the worst layers: the options that do it to these. */
type Rung = (layers: readonly string[], all: readonly string[]) => Pick<WriteOptions, 'sensitive' | 'wide'>;

/**
 * Layers are ranked by what each loses alone. The count of layers that give in doubles until the bound holds, then halves
 * its last stride, so that about 2·log2(layers) models are judged and few layers more than needed are given up. Layers
 * of fewer than 8 bits first get 8; where that is not enough for any count, the worst go back to floats. Those keep weights of 8 bits if the bound
 * holds with them.
 */
export async function escalate(
  calibrated: Calibrated,
  options: WriteOptions,
  maxDrop: number,
  { data, judge = data }: { data: Dataset; judge?: Dataset },
  lab: Lab,
): Promise<Escalated> {
  const samples = chooseSamples(judge, JUDGED_ON, lab.seed);
  const truth = await record(calibrated.model, judge, samples, lab);
  const { slow = [] } = options;
  const isNarrow = (options.weightBits ?? 8) < 7;
  let judgements = 0;
  const dropOfWritten = async (
    how: WriteOptions,
    stored: readonly string[],
    count = stored.length,
  ): Promise<number> => {
    const { model } = mixture(calibrated, how, stored);
    const drop = dropOf(judged(await against(truth, model, lab), judge, samples));
    judgements++;
    lab.onProgress?.({ task: 'escalate', done: judgements, total: judgements + 1, figures: { drop, layers: count } });
    return drop;
  };
  const dropBefore = await dropOfWritten(options, slow, 0);
  if (isWithin(dropBefore, maxDrop)) {
    const report = { reverted: [], stored: [], lifted: [], dropBefore, drop: dropBefore, held: true, sensitivity: [] };
    return { options, report, dropWith: (more) => dropOfWritten(options, more) };
  }
  const ranked = await sensitivity(calibrated, options, data, chooseSamples(data, RANKED_ON, lab.seed), lab);
  const names = ranked.map(({ node }) => node);
  const lift: Rung = (layers) => ({ wide: layers });
  const revert: Rung = (layers, all) => ({ sensitive: layers, ...(isNarrow && { wide: all }) });
  const outcome = async (rung: Rung) => {
    const { count, value: drop } = await fewest(names.length, maxDrop, (n) =>
      dropOfWritten({ ...options, ...rung(names.slice(0, n), names) }, slow, n),
    );
    return { how: { ...options, ...rung(names.slice(0, count), names) }, count, drop };
  };
  const lifted = isNarrow ? await outcome(lift) : undefined;
  const isEnough = lifted !== undefined && isWithin(lifted.drop, maxDrop);
  const { count, drop, how } = isEnough ? lifted : await outcome(revert);
  const reverted = isEnough ? [] : names.slice(0, count);
  const whenStored = reverted.length > 0 ? await dropOfWritten(how, [...slow, ...reverted]) : Number.POSITIVE_INFINITY;
  const stored = isWithin(whenStored, maxDrop) ? reverted : [];
  const last = stored.length > 0 ? whenStored : drop;
  return {
    options: how,
    dropWith: (more) => dropOfWritten(how, [...more, ...stored]),
    report: {
      reverted,
      stored,
      lifted: isEnough ? names.slice(0, count) : isNarrow ? names.slice(count) : [],
      dropBefore,
      drop: last,
      held: isWithin(last, maxDrop),
      sensitivity: ranked,
    },
  };
}
