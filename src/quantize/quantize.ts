/** Static int8: from a float model and a few samples to a model that runs on integers. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import { isWithin } from '../base/unit.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { modelBytes } from '../onnx/write.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import type { Lab } from '../runtime/index.ts';
import { type Agreement, AT_ONCE, agreement, record } from './agreement.ts';
import type { Calibrator, CalibratorName } from './calibrate/index.ts';
import { calibrate, calibratorOf, chooseSamples, readyFor, type WriteOptions } from './calibrated.ts';
import { type Correction, type CorrectionName, corrections } from './correct/index.ts';
import { type EngineView, openViewed } from './engine-view.ts';
import { type Escalated, escalate } from './escalate.ts';
import { checkLayers } from './finite.ts';
import { given } from './given.ts';
import { inFloat32, storedAsBefore } from './in-float32.ts';
import { NARROW_BITS, type Narrowed, narrowToSize } from './narrow.ts';
import { type Kept, NOT_FASTER, type Plan, type PlanOptions, planOf, SENSITIVE } from './plan.ts';
import { type Quickened, quicken } from './quicken.ts';
import { type Rounding, type RoundingName, roundings } from './round/index.ts';
import type { LayerSensitivity } from './sensitivity.ts';
import { settleWeights } from './settle-weights.ts';
import { areBrief, sideBySide } from './side-by-side.ts';
import { parametersOf, type Size } from './size.ts';
import { mixture, type Speed, slowLayers, timedOn } from './slow-layers.ts';
import { smooth } from './smooth.ts';
import { readBy, storeTables, storingLayers } from './store.ts';
import { kernelFormFor } from './target.ts';

export interface QuantizeOptions extends PlanOptions {
  /** Samples to calibrate on, as the model is fed in use. Labels are not needed. */
  data: Dataset;
  /** How many of them. Default 300, or all there are. */
  samples?: number;
  /** How ranges of activations are chosen: a name or a calibrator. Scores, behind which no layer follows, keep all of theirs. Default `minmax`. */
  calibrate?: CalibratorName | Calibrator;
  /** A weight scale per channel. Default true. */
  perChannel?: boolean;
  /** Bits of a weight, 2 to 8. Default 8. */
  weightBits?: number;
  /**
   * Keep pairs of 8-bit weights small enough for processors that add products in 16 bits (x86 without VNNI). Default:
   * whether this engine does, found out by trying. Set it for models that travel.
   */
  pairSafe?: boolean;
  /**
   * Let convolutions of few channels compute several columns at once, which is faster on x86 with VNNI and the same everywhere in value. Default:
   * whether this engine runs on such a processor.
   */
  strips?: boolean;
  /**
   * The most accuracy that may be lost, as a share (0.01 is one point); without labels, the share of answers that may
   * change. The most sensitive layers go back to floats until it holds. Default: no bound.
   */
  maxDrop?: number;
  /**
   * Most bytes of the file: weights of 4 bits for as few layers as bring it there. Where it does, `maxDrop` takes no layer
   * back. Needs `weightBits` 8. Default: no bound.
   */
  maxBytes?: number;
  /**
   * Most milliseconds of one sample on one thread of this machine: integers for as few layers as bring it there, and `kernels` says nothing. Where
   * it does, `maxDrop` takes no layer back. Default: no bound.
   */
  maxMs?: number;
  /**
   * `all`: integer kernels wherever there is one. `measured`: only where they are faster on this machine; what is not stays in floats, its weights
   * stored in 8 bits. Default `all`.
   */
  kernels?: 'all' | 'measured';
  /** How weights are rounded: a name of the table. Default `nearest`. */
  round?: RoundingName;
  /** Updates for each layer or block, where the rounding is learnt. Default 1000. */
  iterations?: number;
  /**
   * How biases make up for what rounding adds to each layer's mean: a name of the table, or true for `fast`, false for
   * `none`. Default `fast`; `none` where the rounding is learnt, which sees to the means itself.
   */
  biasCorrect?: CorrectionName | boolean;
  /** Even out the channels of neighbouring layers first, then let high biases move on. Default false. */
  equalize?: boolean;
  /** Move outliers of what dense layers read into their weights (SmoothQuant): its α, 0 to 1. Default: not at all. */
  smooth?: number;
  /** Samples to judge by, best none of those calibrated on. Default: `data`. At most 2000 are used. */
  judge?: Dataset;
}

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

export interface QuantizeReport {
  readonly before: Size;
  readonly after: Size;
  /** Such as "int8 static, u8 activations (minmax), s8 weights of 7 bits per channel". */
  readonly scheme: string;
  readonly rounding: RoundingName;
  readonly biasCorrection: CorrectionName;
  readonly weightBits: number;
  /** Cannot overflow on processors that add products in 16 bits. */
  readonly pairSafe: boolean;
  /** Samples that calibration saw. */
  readonly samples: number;
  /** Nodes that run on integers, as written. */
  readonly quantized: number;
  /** What stayed in floats, and why. */
  readonly kept: readonly Kept[];
  /** What the engine makes of it; undefined where it cannot show that. */
  readonly fused?: EngineView;
  readonly escalation?: Escalation;
  /** What `maxBytes` did. */
  readonly narrowed?: Narrowed;
  /** What `maxMs` did. */
  readonly quickened?: Quickened;
  /** What timing found; only where it was asked for. */
  readonly speed?: Speed;
  /** How close the answers are to the float model's, on up to 32 of the samples. */
  readonly agreement: Agreement;
}

export interface Quantized {
  readonly model: Model;
  readonly report: QuantizeReport;
}

const CHECKED = 32;

/** Why layers stay in floats under a bound on time. */
const FAST_ENOUGH = 'floats are fast enough';

/** Below this share of the original's time, integers are fast enough for all layers. */
const CLEARLY = 0.8;

/**
 * Quantises weights and activations to 8 bits.
 *
 * The result takes and gives the same tensors under the same names, for any batch that the model took. It is run
 * before it is returned; the report says how close it is and what the engine fused.
 *
 * Throws   quantize/nothing when no node can run on integers; quantize/weight and quantize/range for what is not finite;
 *          data/port when the samples do not fit the inputs; option/unknown; work/aborted.
 */
export async function quantize(original: Model, options: QuantizeOptions, lab: Lab): Promise<Quantized> {
  const model = await settleWeights(inFloat32(original), lab);
  const { data, samples = 300, perChannel = true, equalize: evens = false } = options;
  const calibrator = calibratorOf(options.calibrate);
  const rounding: Rounding = pick(roundings, options.round ?? 'nearest', 'rounding');
  const correctionName = correctionNameOf(options.biasCorrect, rounding);
  const correction: Correction = pick(corrections, correctionName, 'bias correction');
  const weightBits = options.weightBits ?? 8;
  const chosen = chooseSamples(data, samples, lab.seed);
  const coming = kernelFormFor(lab.engine, options);
  coming.catch(() => undefined); // told below
  const everywhere =
    [options.maxDrop, options.maxBytes, options.maxMs].some((bound) => bound !== undefined) ||
    options.kernels === 'measured';
  const calm =
    options.smooth === undefined ? model : (await smooth(model, data, chosen, { alpha: options.smooth }, lab)).model;
  const ready = await readyFor(calm, evens, data, chosen, lab);
  checkLayers(ready.graph, options.exclude);
  const seeing = { ...options, everywhere, biasCorrect: correctionName === 'fast' };
  const calibrated = await calibrate(ready, calibrator, data, chosen, lab, seeing);
  const form = await coming;
  const { biasCorrect: _, grids: __, ...asked } = { grids: undefined, ...options };
  const plain: WriteOptions = { ...asked, perChannel, weightBits, ...form };
  const narrowed =
    options.maxBytes === undefined ? undefined : await narrowToSize(calibrated, plain, options.maxBytes, data, lab);
  const bare = narrowed?.options ?? plain;
  const task = { calibrated, options: bare, data, samples: chosen };
  const weights = await rounding.run({ ...task, ...given({ iterations: options.iterations }) }, lab);
  const rounded: WriteOptions = { ...bare, weights };
  const settled = { ...rounded, ...(await correction.run({ ...task, options: rounded, original: model }, lab)) };
  const quickened =
    options.maxMs === undefined
      ? undefined
      : await quicken({ original, calibrated, write: settled, data, maxMs: options.maxMs }, lab);
  const time = timedOn(data, lab);
  const speed =
    options.kernels === 'measured' && !quickened
      ? await slowLayers({ original, calibrated, write: settled, time, enough: CLEARLY }, lab)
      : undefined;
  const slow = quickened?.slow ?? speed?.slow ?? [];
  const chosenKernels: WriteOptions = {
    ...settled,
    ...(slow.length > 0 && { slow }),
    ...(quickened && { slowBecause: FAST_ENOUGH }),
  };
  const isSettled = narrowed?.report.layers.length || quickened;
  const hasKernels = (): boolean => planOf(ready.graph, calibrated.facts, chosenKernels).kernels.size > 0;
  const escalated =
    options.maxDrop === undefined || isSettled || (speed && !hasKernels())
      ? undefined
      : await escalate(calibrated, chosenKernels, options.maxDrop, options, lab);
  // What went back to floats changes what else is faster on integers.
  const again =
    speed && escalated?.report.reverted.length
      ? await slowLayers({ original, calibrated, write: escalated.options, time, enough: CLEARLY }, lab)
      : undefined;
  const stored = [...(again?.slow ?? slow), ...(escalated?.report.stored ?? [])];
  const checked = chosen.subarray(0, CHECKED);
  const checking = sideBySide(ready.graph, calibrated.facts, AT_ONCE, lab);
  // Small answers are had while the file is written.
  const isKept = checking !== lab && areBrief(ready.graph, calibrated.facts, checked.length);
  const recording = isKept ? record(original, data, checked, checking) : undefined;
  recording?.catch(() => undefined); // told below
  const { plan, model: mixed } = mixture(calibrated, escalated?.options ?? chosenKernels, stored);
  const isFloat = plan.kernels.size === 0;
  const isAsItWas =
    isFloat && stored.length === 0 && storingLayers(calibrated.model.graph, options.exclude).length === 0;
  if (isAsItWas && !escalated?.report.reverted.length) throw nothing(original, plan);
  const written = isAsItWas
    ? original
    : withoutSpare(storedAsBefore(storeTables(mixed, readBy(mixed.graph, options.exclude)), original));
  using viewed = await openViewed(written, checking);
  const { view: fused } = viewed;
  const close = await agreement(original, viewed.session, data, checked, checking, await recording);
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(original), parameters: parametersOf(original) },
      after: { bytes: modelBytes(written), parameters: parametersOf(calibrated.model) },
      scheme: isFloat
        ? `${isAsItWas ? '' : 'int8 weights, '}float arithmetic: ${whyFloat(plan, quickened)}`
        : `int8 static, u8 activations (${calibrator.name}), s8 weights of ${weightBits} bits${narrowed?.report.layers.length ? ` (${narrowed.report.layers.length} layers: ${NARROW_BITS})` : ''}${form.pairSafe && weightBits === 8 ? ', pairs checked,' : ''} per ${perChannel ? 'channel' : 'tensor'}`,
      rounding: options.round ?? 'nearest',
      biasCorrection: correctionName,
      weightBits,
      pairSafe: form.pairSafe,
      samples: chosen.length,
      quantized: plan.kernels.size,
      kept: plan.kept,
      ...(fused && { fused }),
      ...(escalated && {
        escalation: again ? await judgedAgain(escalated, again, options.maxDrop!) : escalated.report,
      }),
      ...(narrowed && { narrowed: narrowed.report }),
      ...(quickened && { quickened }),
      ...(speed && { speed: again ?? speed }),
      agreement: close,
    },
  };
}

const nothing = (original: Model, { kept: [first] }: Plan): PareError =>
  new PareError('quantize/nothing', 'No node of this model can run on integers.', {
    where: original.graph.name,
    expected: 'convolutions or matrix products with float32 weights',
    ...(first && { got: `${first.op} "${first.node}": ${first.why}` }),
    ...(holdsIntegers(original) && {
      hint: 'its weights are integers already; quantise the float model that it came from',
    }),
  });

/** Why all layers compute in floats. */
function whyFloat({ kept }: Plan, quickened: Quickened | undefined): string {
  if (quickened) return FAST_ENOUGH;
  const known = [SENSITIVE, NOT_FASTER].find((reason) => kept.some(({ why }) => why === reason));
  return known ?? 'its layers have no integer kernels';
}

/** What is lost now that more layers compute in floats. */
async function judgedAgain({ report, dropWith }: Escalated, { slow }: Speed, maxDrop: number): Promise<Escalation> {
  const drop = await dropWith(slow);
  return { ...report, drop, held: isWithin(drop, maxDrop) };
}

const holdsIntegers = ({ graph }: Model): boolean =>
  [...graph.initializers.values()].some(({ dtype, dims }) => /^u?int[48]$/.test(dtype) && dims.length > 1);

const correctionNameOf = (asked: CorrectionName | boolean | undefined, { settlesBias }: Rounding): CorrectionName => {
  if (typeof asked === 'string') return asked;
  return (asked ?? !settlesBias) ? 'fast' : 'none';
};
