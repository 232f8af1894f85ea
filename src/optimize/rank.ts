/** What integers cost each layer of a structure: each has them alone, and the answers are held against those in floats. */

import { asPareError } from '../base/error.ts';
import { modernize } from '../ops/modern.ts';
import { calibratorOf, chooseSamples, readyFor } from '../quantize/calibrated.ts';
import { type CalibratorName, calibrate, kernelFormFor, sensitivity } from '../quantize/index.ts';
import type { Lab } from '../runtime/index.ts';
import type { Quest } from './quest.ts';
import type { Trial } from './workshop.ts';

export interface IntegerOptions {
  readonly calibrate?: CalibratorName | undefined;
  readonly equalize?: boolean | undefined;
  /** Layers that compute in floats. */
  readonly exclude: readonly string[];
}

/** KL divergence of the answers when this layer alone has integers, or noise over signal. */
export interface LayerLoss {
  readonly node: string;
  readonly loss: number;
}

/** Samples to calibrate on, and to rank layers on. */
const CALIBRATED = 64;
const RANKED = 32;

/** All layers with weights that could have integers of so many bits, the most sensitive first, and what they were tried with. */
export async function rankLayers(
  lean: Trial,
  { calibrate: by, equalize, exclude }: IntegerOptions,
  weightBits: number,
  { workshop, bench, stopwatch }: Quest,
  lab: Lab,
) {
  const data = bench.learn!;
  const quiet: Lab = { ...lab, onProgress: () => {} };
  const floats = modernize(await workshop.modelOf(lean));
  const samples = chooseSamples(data, CALIBRATED, lab.seed);
  const model = await readyFor(floats, equalize === true, data, samples, quiet);
  const calibrated = await calibrate(model, calibratorOf(by), data, samples, quiet, { everywhere: true });
  const form = await kernelFormFor(lab.engine, stopwatch.kernels);
  const how = { exclude, perChannel: true, weightBits, ...form };
  const ranked = await sensitivity(calibrated, how, data, chooseSamples(data, RANKED, lab.seed), quiet);
  return { calibrated, how, ranked };
}

/** What a search beside the trials finds; `none` where it fails, unless it was stopped. */
export async function orNone<T>(find: () => Promise<T>, none: T): Promise<T> {
  try {
    return await find();
  } catch (thrown) {
    const error = asPareError(thrown);
    if (error.code === 'work/aborted') throw error;
    return none;
  }
}
