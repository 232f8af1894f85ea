/** From a model in floats to its ends: the same layers with integers, or with weights stored in fewer bits. */

import { isWithin } from '../base/unit.ts';
import type { CalibratorName } from '../quantize/index.ts';
import type { StepCall } from '../recipe/index.ts';
import { type RuleName, rewrite } from '../rewrite/index.ts';
import type { Lab } from '../runtime/index.ts';
import type { Judge } from './judge.ts';
import { kernelsOf } from './kernels.ts';
import { isNearer } from './manner.ts';
import { narrowLayers } from './narrow.ts';
import { leftMs, passMs, type Quest } from './quest.ts';
import { type IntegerOptions, orNone, rankLayers } from './rank.ts';
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
/** Share of the bound that leaves room for samples other than those of the search. */
const SAFE = 0.5;
/** So many search samples tell a safe loss from luck; with fewer, all calibrations are tried, and mixtures and halves to retreat to. */
const TELLING = 500;
/** What 4 bits may spend of the bound; and where samples are few, how far they may move the outputs, over what 8 bits do. */
const NARROW = { drop: 0.75, distance: 1.3 };
/** Share of the layers up to which the most sensitive ones may compute in floats: 1, 2, 4, … of them. */
const MOST_FLOATS = 0.5;
/** Passes of learning while rounding, what they take over a pass in floats, and their share of the time left. */
const QAT = { epochs: 2, times: 2.5, share: 0.3 };

export interface FinishOptions {
  /** May it learn while it rounds, where nothing else is safe? Default true. */
  readonly learns?: boolean;
}

/**
 * Adds the ends of `stem` to the trials; the best that holds the bound, or undefined.
 *
 * Always weights that are only stored in 8 bits, else in 16. Then integers with the kernels that pay here, calibrated in
 * one way after the other, and 4 bits for the weights of as many layers as the bound allows. Where none is safely within
 * the bound, or samples are too few to tell, mixtures: the most sensitive layers in floats, more and more of them. Where that is no help
 * either, the network learns while it rounds.
 */
export async function finish(
  stem: Trial,
  quest: Quest,
  judge: Judge,
  lab: Lab,
  { learns = true }: FinishOptions = {},
): Promise<Trial | undefined> {
  const { workshop, maxDrop } = quest;
  const left = (): boolean => leftMs(quest) > 0;
  const lean = await leanest(stem, quest, FASTER);
  const inFloats = await leanest(stem, quest, [...FASTER, ...FASTER_IN_FLOATS]);
  const holds = (trial: Trial | undefined): trial is Trial => trial !== undefined && isWithin(trial.drop, maxDrop);
  const isTold = judge.data.size >= TELLING;
  /** Nothing needs to be tried beyond this. */
  const isSafe = (trial: Trial | undefined): boolean =>
    trial !== undefined && isWithin(trial.drop, maxDrop * SAFE) && isTold;
  const made: Trial[] = [];
  const grow = async (call: StepCall, from = lean): Promise<Trial | undefined> => {
    const trial = await workshop.grow(from, call);
    if (trial) made.push(trial);
    return trial;
  };
  const result = (): Trial | undefined => best(made.filter(holds));

  const stored = await grow({ step: 'store', as: 'int8' }, inFloats);
  if (!(holds(stored) && isTold) && left()) await grow({ step: 'store', as: 'float16' }, inFloats);
  if (!left()) return result();

  const { fast, slow } = await kernelsOf(lean, quest, lab);
  if (fast.length === 0) return result();
  const where = {
    ...(slow.length > 0 && { exclude: slow }),
    ...quest.stopwatch.kernels,
  };
  const integers: Trial[] = [];
  for (const calibration of CALIBRATIONS) {
    const trial = await grow({ step: 'quantize', ...calibration, ...where });
    if (!trial) break;
    integers.push(trial);
    if (!left() || isSafe(trial)) break;
  }
  if (integers.length === 0 || !left()) return result();

  const least = integers.reduce((a, b) => (isNearer(b, a) ? b : a));
  const call = least.calls.at(-1)!;
  const how: IntegerOptions = {
    calibrate: call['calibrate'] as CalibratorName | undefined,
    equalize: call['equalize'] === true,
    exclude: slow,
  };
  if (holds(least)) {
    const bounds = {
      drop: maxDrop * NARROW.drop,
      distance: isTold ? Number.POSITIVE_INFINITY : least.distance * NARROW.distance,
    };
    const { layers: narrow, losses } = await workshop.once(`${lean.key} narrow`, () =>
      orNone(() => narrowLayers(lean, { ...how, ...bounds }, quest, judge, lab), { layers: [], losses: [] }),
    );
    quest.losses.set(stem.key, losses);
    if (narrow.length > 0) await grow({ ...call, round: 'seq-mse', narrow });
  }
  if (isSafe(least) || !left()) return result();

  const ranked = await workshop.once(`${lean.key} sensitive`, () =>
    orNone(
      async () => (await rankLayers(lean, how, 8, quest, lab)).ranked.map(({ node, loss }) => ({ node, loss })),
      [],
    ),
  );
  quest.losses.set(stem.key, ranked);
  // where 8-bit weights alone may lose too much, layers in floats have more bits, too
  const forms = [...(holds(stored) ? [{}] : []), ...(isSafe(stored) ? [] : [{ floats: 'float16' }])];
  for (let count = 1; count <= ranked.length * MOST_FLOATS && left(); count *= 2) {
    const exclude = [...slow, ...ranked.slice(0, count).map(({ node }) => node)];
    for (const form of forms) if (isSafe(await grow({ ...call, exclude, ...form }))) return result();
  }
  if (learns && left()) await roundAware(quest, lean, call, grow);
  return result();
}

/** Exact rules that make some layers faster and add no arithmetic, but change how sums are rounded. */
const FASTER: readonly RuleName[] = ['merge-interleaved'];
/** Those that leave integers nothing to work on. */
const FASTER_IN_FLOATS: readonly RuleName[] = ['packed-attention'];
/** A rewrite must be this much faster to count. */
const TELLING_TIME = 0.98;

/** The structure after all exact rewrites, and those of these that make it faster. */
async function leanest(stem: Trial, { workshop }: Quest, rules: readonly RuleName[]): Promise<Trial> {
  const lean = (await workshop.grow(stem, { step: 'simplify' })) ?? stem;
  const model = await workshop.modelOf(lean);
  const also = rules.filter((name) => rewrite(model, [name]).report.fired.length > 0);
  const leaner = also.length > 0 ? await workshop.grow(stem, { step: 'simplify', also }) : undefined;
  return leaner && leaner.latencyRatio < lean.latencyRatio * TELLING_TIME ? leaner : lean;
}

const best = (trials: readonly Trial[]): Trial | undefined =>
  trials.length === 0
    ? undefined
    : trials.reduce((a, b) => (b.latencyRatio * b.bytes < a.latencyRatio * a.bytes ? b : a));

/** Integers that were learnt, where samples and time allow it. */
async function roundAware(
  quest: Quest,
  lean: Trial,
  { equalize: _, round: __, ...call }: StepCall,
  grow: (call: StepCall) => Promise<Trial | undefined>,
): Promise<Trial | undefined> {
  const size = quest.bench.learn!.size;
  const affordable = (leftMs(quest) * QAT.share) / (passMs(quest, lean, size) * QAT.times);
  const learnFrom = Math.floor(size * affordable);
  if (size < TEACHING || learnFrom < TEACHING) return undefined;
  const epochs = Math.max(1, Math.min(QAT.epochs, Math.floor(affordable)));
  const optimizer = quest.manners.get('distill')?.optimizer ?? 'lamb';
  return await grow({ ...call, step: 'quantize', epochs, optimizer, ...(affordable < 1 && { learnFrom }) });
}
