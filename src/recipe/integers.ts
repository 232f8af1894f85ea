/**
 * Integers where they pay: every layer is tried on integer kernels and, failing speed, only stored as integers.
 *
 * Integer kernels are not faster everywhere (few input channels, processors without dot-product instructions). So layers
 * leave the integer part one by one, as long as the whole model gets faster by it; what leaves is still stored in 8 bits.
 */

import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import type { CalibratorName } from '../quantize/index.ts';
import { prepare } from '../quantize/prepare.ts';
import { calibrate, calibratorOf, chooseSamples, write } from '../quantize/quantize.ts';
import { saturates } from '../quantize/saturate.ts';
import { storeWeights } from '../quantize/store.ts';
import type { Lab } from '../runtime/index.ts';
import { relativeLatency } from './latency.ts';

export interface IntegerOptions {
  /** Samples to calibrate on. */
  data: Dataset;
  /** Default 'minmax'. */
  by?: CalibratorName;
  /** Default 300. */
  samples?: number;
}

export interface Integers {
  readonly model: Model;
  /** Layers on integer kernels, and layers whose weights are only stored as integers. */
  readonly kernels: readonly string[];
  readonly stored: readonly string[];
}

/** Gains below this are noise. */
const WORTHWHILE = 0.97;
/** Layers tried one by one; beyond, all or none. */
const MOST_TRIED = 16;

/** The fastest mixture of integer kernels and integer storage on this machine. */
export async function toIntegers(
  model: Model,
  { data, by = 'minmax', samples = 300 }: IntegerOptions,
  lab: Lab,
): Promise<Integers> {
  const calibrator = calibratorOf(by);
  const calibrated = await calibrate(
    prepare(modernize(model)),
    calibrator,
    data,
    chooseSamples(data, samples, lab.seed),
    lab,
    { everywhere: true }, // layers leave later, and others then need ranges
  );
  const pairSafe = await saturates(lab.engine);
  const form = (exclude: readonly string[]): { model: Model; kernels: string[] } => {
    const { plan, written } = write(calibrated, { exclude, perChannel: true, weightBits: 8, pairSafe });
    return { model: storeWeights(written), kernels: [...plan.kernels.keys()].filter(isLayer).map(({ name }) => name) };
  };
  const all = form([]);
  const none: Model = storeWeights(calibrated.model);
  let best = { ...all, exclude: [] as readonly string[] };
  const [, plain] = await relativeLatency([all.model, none], lab);
  if (plain! < WORTHWHILE) best = { model: none, kernels: [], exclude: all.kernels };
  if (all.kernels.length <= MOST_TRIED) best = await leaveOneByOne(all.kernels, form, best, lab);
  return {
    model: best.model,
    kernels: best.kernels,
    stored: all.kernels.filter((name) => !best.kernels.includes(name)),
  };
}

const isLayer = (node: { readonly op: string; readonly name: string }): boolean => node.name !== '';

type Form = { readonly model: Model; readonly kernels: string[]; readonly exclude: readonly string[] };

/** From all on integers, the layer whose leaving helps most leaves, until none does; the result or `other`, whichever is faster. */
async function leaveOneByOne(
  layers: readonly string[],
  form: (exclude: readonly string[]) => Omit<Form, 'exclude'>,
  other: Form,
  lab: Lab,
): Promise<Form> {
  let now: Form = { ...form([]), exclude: [] };
  for (const layer of layers) {
    const exclude = [...now.exclude, layer];
    const next: Form = { ...form(exclude), exclude };
    if (next.kernels.length === 0) continue;
    const [, ratio] = await relativeLatency([now.model, next.model], lab, { rounds: 7 });
    if (ratio! < WORTHWHILE) now = next;
  }
  const [, ratio] = await relativeLatency([other.model, now.model], lab);
  return ratio! < 1 ? now : other;
}
