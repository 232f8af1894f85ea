/** Integers where they pay: layers on integer kernels where those are faster, and all other weights stored as integers. */

import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import { calibratorOf, chooseSamples } from '../quantize/calibrated.ts';
import { type CalibratorName, calibrate, kernelFormFor } from '../quantize/index.ts';
import { prepare } from '../quantize/prepare.ts';
import { mixture, slowLayers } from '../quantize/slow-layers.ts';
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

/** The fastest mixture of integer kernels and integer storage on this machine. */
export async function toIntegers(
  model: Model,
  { data, by = 'minmax', samples = 300 }: IntegerOptions,
  lab: Lab,
): Promise<Integers> {
  const chosen = chooseSamples(data, samples, lab.seed);
  const calibrated = await calibrate(prepare(modernize(model)), calibratorOf(by), data, chosen, lab, {
    everywhere: true, // layers leave later, and others then need ranges
  });
  const original = storeWeights(calibrated.model);
  const write = { perChannel: true, weightBits: 8, ...(await kernelFormFor(lab.engine)) };
  const time = (models: readonly Model[]) => relativeLatency(models, lab);
  const { fast, slow } = await slowLayers({ original, calibrated, write, time }, lab);
  const mixed = fast.length > 0 ? storeWeights(mixture(calibrated, write, slow).model) : original;
  return { model: mixed, kernels: fast, stored: slow };
}
