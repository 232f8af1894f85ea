/** Which layers' weights may have 4 bits: as many as the bound allows, those first that save most bytes for what they lose. */

import { isWithin } from '../base/unit.ts';
import { write } from '../quantize/index.ts';
import { cheapToNarrow, NARROW_BITS, narrowing } from '../quantize/narrow.ts';
import type { Lab } from '../runtime/index.ts';
import type { Judge } from './judge.ts';
import type { Quest } from './quest.ts';
import { type IntegerOptions, type LayerLoss, rankLayers } from './rank.ts';
import type { Trial } from './workshop.ts';

export interface NarrowOptions extends IntegerOptions {
  /** Most that may be lost, and how far outputs may move. */
  readonly drop: number;
  readonly distance: number;
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
  quest: Quest,
  judge: Judge,
  lab: Lab,
): Promise<Ranked> {
  const { calibrated, how, ranked } = await rankLayers(lean, options, NARROW_BITS, quest, lab);
  const cheap = cheapToNarrow(ranked, calibrated.model.graph);
  const holds = async (count: number): Promise<boolean> => {
    const narrow = narrowing(calibrated.model, cheap.slice(0, count));
    const { drop, distance } = await judge.score(write(calibrated, { ...how, ...narrow }).written);
    return isWithin(drop, options.drop) && distance <= options.distance;
  };
  let [low, high] = [0, cheap.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await holds(middle)) low = middle;
    else high = middle - 1;
  }
  return { layers: cheap.slice(0, low), losses: ranked.map(({ node, loss }) => ({ node, loss })) };
}
