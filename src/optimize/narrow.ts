/** Which layers' weights may have 4 bits: as many as the bound allows, those first that save most bytes for what they lose. */

import { modernize } from '../ops/modern.ts';
import { calibratorOf, chooseSamples, readyFor } from '../quantize/calibrated.ts';
import { type CalibratorName, calibrate, saturates, sensitivity, write } from '../quantize/index.ts';
import { cheapToNarrow, NARROW_BITS, narrowing } from '../quantize/narrow.ts';
import type { Lab } from '../runtime/index.ts';
import type { Judge } from './judge.ts';
import type { Quest } from './quest.ts';
import type { Trial } from './workshop.ts';

export interface NarrowOptions {
  readonly calibrate?: CalibratorName | undefined;
  readonly equalize?: boolean | undefined;
  /** Layers that compute in floats. */
  readonly exclude: readonly string[];
  readonly pairSafe?: boolean | undefined;
  /** Most that may be lost, and how far outputs may move. */
  readonly drop: number;
  readonly distance: number;
}

/** Samples to calibrate on, and to rank layers on. */
const CALIBRATED = 64;
const RANKED = 32;

/** What integers cost a layer when it alone has them: KL divergence of the answers, or noise over signal. */
export interface LayerLoss {
  readonly node: string;
  readonly loss: number;
}

/** Layers that something was decided for, and what each loses. */
export interface Ranked {
  readonly layers: readonly string[];
  readonly losses: readonly LayerLoss[];
}

/** No layers where not even one holds. Costs a model for each layer, and some to find out how many. */
export async function narrowLayers(
  lean: Trial,
  options: NarrowOptions,
  { workshop, bench, stopwatch }: Quest,
  judge: Judge,
  lab: Lab,
): Promise<Ranked> {
  const data = bench.learn!;
  const quiet: Lab = { ...lab, onProgress: () => {} };
  const floats = modernize(await workshop.modelOf(lean));
  const samples = chooseSamples(data, CALIBRATED, lab.seed);
  const model = await readyFor(floats, options.equalize === true, data, samples, quiet);
  const calibrated = await calibrate(model, calibratorOf(options.calibrate), data, samples, quiet, {
    everywhere: true,
  });
  const pairSafe = options.pairSafe ?? stopwatch.isPairSafe ?? (await saturates(lab.engine));
  const how = { exclude: options.exclude, perChannel: true, weightBits: NARROW_BITS, pairSafe };
  const ranked = await sensitivity(calibrated, how, data, chooseSamples(data, RANKED, lab.seed), quiet);
  const cheap = cheapToNarrow(ranked, calibrated.model.graph);
  const holds = async (count: number): Promise<boolean> => {
    const narrow = narrowing(calibrated.model, cheap.slice(0, count));
    const { drop, distance } = await judge.score(write(calibrated, { ...how, ...narrow }).written);
    return drop <= options.drop && distance <= options.distance;
  };
  let [low, high] = [0, cheap.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await holds(middle)) low = middle;
    else high = middle - 1;
  }
  return { layers: cheap.slice(0, low), losses: ranked.map(({ node, loss }) => ({ node, loss })) };
}
