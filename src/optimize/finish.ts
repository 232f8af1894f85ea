/** From a model in floats to its ends: the same layers with integers, or with weights stored in fewer bits. */

import { asPareError } from '../base/error.ts';
import { modernize } from '../ops/modern.ts';
import { calibratorOf } from '../quantize/calibrated.ts';
import { type CalibratorName, calibrate, quantize, saturates } from '../quantize/index.ts';
import { prepare } from '../quantize/prepare.ts';
import { type Speed, slowLayers } from '../quantize/slow-layers.ts';
import { storeWeights } from '../quantize/store.ts';
import type { StepCall } from '../recipe/index.ts';
import type { Lab } from '../runtime/index.ts';
import type { Judge } from './judge.ts';
import { narrowLayers, type Ranked } from './narrow.ts';
import { leftMs, passMs, type Quest } from './quest.ts';
import { TEACHING } from './teach.ts';
import type { Trial } from './workshop.ts';

/** Ways to calibrate, from the one that clips nothing to those that clip. */
const CALIBRATIONS: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { calibrate: 'mse' },
  { calibrate: 'percentile' },
  { equalize: true, calibrate: 'mse' },
  { round: 'seq-mse', calibrate: 'mse' },
];
const SAMPLES = 300;
/** Samples for timing kernels: weights do not matter there. */
const ROUGH = 8;
const ROUNDS = 9;
/** Share of the bound that leaves room for samples other than those of the search. */
const SAFE = 0.5;
/** So many search samples tell a safe loss from luck; with fewer, all calibrations are tried, and halves to retreat to. */
const TELLING = 500;
/** What 4 bits may spend of the bound; and where samples are few, how far they may move the outputs, over what 8 bits do. */
const NARROW = { drop: 0.75, distance: 1.3 };
/** Passes of learning while rounding, what they take over a pass in floats, and their share of the time left. */
const QAT = { epochs: 2, times: 2.5, share: 0.3 };

/**
 * Adds the ends of `stem` to the trials; the best that holds the bound, or undefined.
 *
 * Always weights that are only stored in 8 bits, else in 16. Then integers with the kernels that pay here, calibrated in
 * one way after the other, and 4 bits for the weights of as many layers as the bound allows; where none is safely within
 * the bound, the network learns while it rounds, and the most sensitive layers go back to floats.
 */
export async function finish(stem: Trial, quest: Quest, judge: Judge, lab: Lab): Promise<Trial | undefined> {
  const { workshop, maxDrop } = quest;
  const left = (): boolean => leftMs(quest) > 0;
  const lean = (await workshop.grow(stem, { step: 'simplify' })) ?? stem;
  const holds = (trial: Trial | undefined): trial is Trial => trial !== undefined && trial.drop <= maxDrop;
  const isSafe = (trial: Trial): boolean => trial.drop <= maxDrop * SAFE;
  const made: Trial[] = [];
  const grow = async (call: StepCall): Promise<Trial | undefined> => {
    const trial = await workshop.grow(lean, call);
    if (trial) made.push(trial);
    return trial;
  };

  const stored = await grow({ step: 'store', as: 'int8' });
  const isTold = judge.data.size >= TELLING;
  if (!(holds(stored) && isTold) && left()) await grow({ step: 'store', as: 'float16' });
  if (!left()) return best(made.filter(holds));

  const kernels = await kernelsOf(lean, quest, lab, left);
  if (kernels.fast.length === 0) return best(made.filter(holds));
  const isPairSafe = quest.stopwatch.isPairSafe;
  const where = {
    ...(kernels.slow.length > 0 && { exclude: kernels.slow }),
    ...(isPairSafe !== undefined && { pairSafe: isPairSafe }),
  };
  const integers: Trial[] = [];
  for (const calibration of CALIBRATIONS) {
    const trial = await grow({ step: 'quantize', ...calibration, ...where });
    if (!trial) break;
    integers.push(trial);
    if (!left() || (isSafe(trial) && isTold)) break;
  }
  if (integers.length === 0 || !left()) return best(made.filter(holds));

  const least = integers.reduce((a, b) => (nearer(b, a) ? b : a));
  const { step: _, ...options } = least.calls.at(-1)!;
  if (holds(least)) {
    const { layers: narrow, losses } = await narrowed(lean, least, options, kernels, quest, judge, lab);
    quest.losses.set(stem.key, losses);
    if (narrow.length > 0) await grow({ ...least.calls.at(-1)!, round: 'seq-mse', narrow });
  }
  if (isSafe(least) || !left()) return best(made.filter(holds));
  const taught = await roundAware(quest, lean, options, grow);
  if ((taught && isSafe(taught)) || !left()) return best(made.filter(holds));
  const { layers: reverted, losses } = await sensitiveLayers(lean, kernels, options, quest, judge, lab);
  quest.losses.set(stem.key, losses);
  if (reverted.length > 0) await grow({ ...least.calls.at(-1)!, exclude: [...kernels.slow, ...reverted] });
  return best(made.filter(holds));
}

/** Did this lose less, or with the same loss, do its outputs lie nearer to the original's? */
export const nearer = (a: Trial, b: Trial): boolean =>
  a.drop < b.drop || (a.drop === b.drop && a.distance < b.distance);

const best = (trials: readonly Trial[]): Trial | undefined =>
  trials.length === 0
    ? undefined
    : trials.reduce((a, b) => (b.latencyRatio * b.bytes < a.latencyRatio * a.bytes ? b : a));

/** Integers that were learnt, where samples and time allow it. */
async function roundAware(
  quest: Quest,
  lean: Trial,
  options: Readonly<Record<string, unknown>>,
  grow: (call: StepCall) => Promise<Trial | undefined>,
): Promise<Trial | undefined> {
  const size = quest.bench.learn!.size;
  const mostMs = leftMs(quest) * QAT.share;
  const pass = passMs(quest, lean, size) * QAT.times;
  const affordable = mostMs / pass;
  const learnFrom = Math.floor(size * affordable);
  if (size < TEACHING || learnFrom < TEACHING) return undefined;
  const epochs = Math.max(1, Math.min(QAT.epochs, Math.floor(affordable)));
  const { equalize: _, round: __, ...rest } = options;
  return await grow({ step: 'quantize', ...rest, epochs, ...(affordable < 1 && { learnFrom }) });
}

/** The kernels that pay for this structure; weights do not matter. */
const kernelsOf = (lean: Trial, quest: Quest, lab: Lab, left: () => boolean): Promise<Speed> =>
  quest.workshop.once(`${lean.key} kernels`, async () => {
    const { workshop, bench, stopwatch } = quest;
    try {
      const data = bench.learn!;
      const samples = Int32Array.from({ length: Math.min(ROUGH, data.size) }, (_, i) => i);
      const model = prepare(modernize(await workshop.modelOf(lean)));
      const how = { everywhere: true, biasCorrect: false };
      const calibrated = await calibrate(
        model,
        calibratorOf('minmax'),
        data,
        samples,
        { ...lab, onProgress: () => {} },
        how,
      );
      const pairSafe = stopwatch.isPairSafe ?? (await saturates(lab.engine));
      return await slowLayers(
        {
          original: storeWeights(model),
          calibrated,
          write: { perChannel: true, weightBits: 8, pairSafe },
          time: async (models) => (await stopwatch.time(models, ROUNDS)).map(({ ratio }) => ratio),
          left,
        },
        { ...lab, onProgress: () => {} },
      );
    } catch (thrown) {
      const error = asPareError(thrown);
      if (error.code === 'work/aborted') throw error;
      return { fast: [], slow: [], ratio: 1 };
    }
  });

/** The layers whose weights may have 4 bits. */
const narrowed = (
  lean: Trial,
  { distance }: Trial,
  options: Readonly<Record<string, unknown>>,
  { slow: exclude }: Speed,
  quest: Quest,
  judge: Judge,
  lab: Lab,
): Promise<Ranked> =>
  quest.workshop.once(`${lean.key} narrow`, async () => {
    const bounds = {
      drop: quest.maxDrop * NARROW.drop,
      distance: judge.data.size >= TELLING ? Number.POSITIVE_INFINITY : distance * NARROW.distance,
    };
    const how = { calibrate: options['calibrate'] as CalibratorName, equalize: options['equalize'] === true };
    return await orNone(() => narrowLayers(lean, { ...how, exclude, ...bounds }, quest, judge, lab));
  });

/** What a search beside the trials finds; nothing where it fails, unless it was stopped. */
async function orNone(find: () => Promise<Ranked>): Promise<Ranked> {
  try {
    return await find();
  } catch (thrown) {
    const error = asPareError(thrown);
    if (error.code === 'work/aborted') throw error;
    return { layers: [], losses: [] };
  }
}

/** The layers that must compute in floats for the bound to hold on the search samples. */
const sensitiveLayers = (
  lean: Trial,
  kernels: Speed,
  options: Readonly<Record<string, unknown>>,
  { workshop, bench, maxDrop }: Quest,
  judge: Judge,
  lab: Lab,
): Promise<Ranked> =>
  workshop.once(`${lean.key} sensitive`, () =>
    orNone(async () => {
      const data = bench.learn!;
      const { report } = await quantize(
        await workshop.modelOf(lean),
        {
          data,
          calibrate: (options['calibrate'] as CalibratorName | undefined) ?? 'minmax',
          samples: Math.min(SAMPLES, data.size),
          exclude: kernels.slow,
          pairSafe: options['pairSafe'] === true,
          maxDrop: maxDrop * SAFE,
          judge: judge.data,
        },
        lab,
      );
      const { reverted = [], sensitivity = [] } = report.escalation ?? {};
      return { layers: reverted, losses: sensitivity.map(({ node, loss }) => ({ node, loss })) };
    }),
  );
