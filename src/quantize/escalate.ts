/** Takes the most sensitive layers back to floats until no more than a bound is lost. */

import type { Dataset } from '../data/dataset.ts';
import type { Lab } from '../runtime/index.ts';
import { dropOf, judged } from './accuracy.ts';
import { against, record } from './agreement.ts';
import { type Calibrated, chooseSamples, type Escalation, type WriteOptions, write } from './quantize.ts';
import { type LayerSensitivity, sensitivity } from './sensitivity.ts';

/** Samples for ranking layers, and for judging the whole model. */
const RANKED_ON = 64;
const JUDGED_ON = 2000;

export interface Escalated {
  readonly exclude: readonly string[];
  readonly report: Escalation;
}

/**
 * Layers are ranked by what each loses alone. The count of reverted layers doubles until the bound holds, then halves
 * its last stride, so that about 2·log2(layers) models are judged and few layers more than needed are given up.
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
  const base = options.exclude ?? [];
  let layers: LayerSensitivity[] = [];
  const excluding = (count: number): string[] => [...base, ...layers.slice(0, count).map(({ node }) => node)];
  const drops = new Map<number, number>();
  const dropAt = async (count: number): Promise<number> => {
    const known = drops.get(count);
    if (known !== undefined) return known;
    const { written } = write(calibrated, { ...options, exclude: excluding(count) });
    const drop = dropOf(judged(await against(truth, written, lab), judge, samples));
    drops.set(count, drop);
    lab.onProgress?.({ task: 'escalate', done: drops.size, total: drops.size + 1, figures: { drop, reverted: count } });
    return drop;
  };
  const dropBefore = await dropAt(0);
  if (dropBefore <= maxDrop) {
    return { exclude: base, report: { reverted: [], dropBefore, drop: dropBefore, held: true, sensitivity: [] } };
  }
  layers = await sensitivity(calibrated, options, data, chooseSamples(data, RANKED_ON, lab.seed), lab);
  let [bad, good] = [0, 1];
  while (good < layers.length && (await dropAt(good)) > maxDrop)
    [bad, good] = [good, Math.min(layers.length, good * 2)];
  while (good - bad > 1) {
    const middle = (bad + good) >> 1;
    if ((await dropAt(middle)) > maxDrop) bad = middle;
    else good = middle;
  }
  const drop = await dropAt(good);
  const reverted = layers.slice(0, good).map(({ node }) => node);
  return {
    exclude: excluding(good),
    report: { reverted, dropBefore, drop, held: drop <= maxDrop, sensitivity: layers },
  };
}
