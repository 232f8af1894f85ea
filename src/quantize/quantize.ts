/** Static int8: from a float model and a few samples to a model that runs on integers. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { modelBytes } from '../onnx/write.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import type { Lab } from '../runtime/index.ts';
import { type Agreement, AT_ONCE, agreement, record } from './agreement.ts';
import type { Calibrator, CalibratorName } from './calibrate/index.ts';
import { type Calibrated, calibrate, calibratorOf, chooseSamples, readyFor, type WriteOptions } from './calibrated.ts';
import { chooseKernels, type KernelBounds, type KernelChoice } from './choose-kernels.ts';
import { type Correction, type CorrectionName, corrections } from './correct/index.ts';
import { type EngineView, openViewed } from './engine-view.ts';
import { checkLayers } from './finite.ts';
import { given } from './given.ts';
import { inFloat32, storedAsBefore } from './in-float32.ts';
import { NARROW_BITS, type Narrowed, narrowToSize } from './narrow.ts';
import { FAST_ENOUGH, type Kept, NOT_FASTER, type Plan, type PlanOptions, SENSITIVE } from './plan.ts';
import { type Rounding, type RoundingName, roundings } from './round/index.ts';
import { settleWeights } from './settle-weights.ts';
import { areBrief, sideBySide } from './side-by-side.ts';
import { parametersOf, type Size } from './size.ts';
import { mixture } from './slow-layers.ts';
import { smooth } from './smooth.ts';
import { readBy, storeTables, storingLayers } from './store.ts';
import { type KernelForm, kernelFormFor } from './target.ts';

export interface QuantizeOptions extends PlanOptions, KernelBounds {
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
   * Most bytes of the file: weights of 4 bits for as few layers as bring it there. Where it does, `maxDrop` takes no layer
   * back. Needs `weightBits` 8. Default: no bound.
   */
  maxBytes?: number;
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
}

export interface QuantizeReport extends Omit<KernelChoice, 'write' | 'stored'> {
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
  /** What `maxBytes` did. */
  readonly narrowed?: Narrowed;
  /** How close the answers are to the float model's, on up to 32 of the samples. */
  readonly agreement: Agreement;
}

export interface Quantized {
  readonly model: Model;
  readonly report: QuantizeReport;
}

const CHECKED = 32;

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
  const samples = chooseSamples(options.data, options.samples ?? 300, lab.seed);
  const coming = kernelFormFor(lab.engine, options);
  coming.catch(() => undefined); // told below
  const named = namedIn(options);
  const { model, calibrated } = await look(original, options, named, samples, lab);
  const form = await coming;
  const { write, narrowed } = await roundWeights({ model, calibrated, form, samples }, options, named, lab);
  const isNarrowed = narrowed !== undefined && narrowed.layers.length > 0;
  const choice = await chooseKernels({ original, calibrated, write, isNarrowed }, options, lab);
  const checked = samples.subarray(0, CHECKED);
  const { graph } = calibrated.model;
  const checking = sideBySide(graph, calibrated.facts, AT_ONCE, lab);
  // Small answers are had while the file is written.
  const isKept = checking !== lab && areBrief(graph, calibrated.facts, checked.length);
  const recording = isKept ? record(original, options.data, checked, checking) : undefined;
  recording?.catch(() => undefined); // told below
  const { written, plan } = writeChoice(original, calibrated, choice, options.exclude);
  using viewed = await openViewed(written, checking);
  const close = await agreement(original, viewed.session, options.data, checked, checking, await recording);
  const { write: _, stored: __, ...grounds } = choice;
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(original), parameters: parametersOf(original) },
      after: { bytes: modelBytes(written), parameters: parametersOf(calibrated.model) },
      scheme:
        plan.kernels.size === 0
          ? floatScheme(plan, written === original)
          : integerScheme(options, form, named, narrowed),
      rounding: named.roundingName,
      biasCorrection: named.correctionName,
      weightBits: options.weightBits ?? 8,
      pairSafe: form.pairSafe,
      samples: samples.length,
      quantized: plan.kernels.size,
      kept: plan.kept,
      ...(viewed.view && { fused: viewed.view }),
      ...(narrowed && { narrowed }),
      ...grounds,
      agreement: close,
    },
  };
}

/** The methods that the options name. Throws option/unknown. */
function namedIn({ calibrate: by, round: roundingName = 'nearest', biasCorrect }: QuantizeOptions) {
  const rounding: Rounding = pick(roundings, roundingName, 'rounding');
  const correctionName = correctionNameOf(biasCorrect, rounding);
  const correction: Correction = pick(corrections, correctionName, 'bias correction');
  return { calibrator: calibratorOf(by), rounding, roundingName, correction, correctionName };
}
type Named = ReturnType<typeof namedIn>;

/** Makes the model ready to be quantised, and looks at what it computes. */
async function look(
  original: Model,
  options: QuantizeOptions,
  { calibrator, correctionName }: Named,
  samples: Int32Array,
  lab: Lab,
): Promise<{ model: Model; calibrated: Calibrated }> {
  const { data, smooth: alpha, equalize: evens = false, maxDrop, maxBytes, maxMs, kernels } = options;
  const model = await settleWeights(inFloat32(original), lab);
  const calm = alpha === undefined ? model : (await smooth(model, data, samples, { alpha }, lab)).model;
  const ready = await readyFor(calm, evens, data, samples, lab);
  checkLayers(ready.graph, options.exclude);
  const hasBound = [maxDrop, maxBytes, maxMs].some((bound) => bound !== undefined);
  const everywhere = hasBound || kernels === 'measured';
  const seeing = { ...options, everywhere, biasCorrect: correctionName === 'fast' };
  return { model, calibrated: await calibrate(ready, calibrator, data, samples, lab, seeing) };
}

interface Seen {
  readonly model: Model;
  readonly calibrated: Calibrated;
  readonly form: KernelForm;
  readonly samples: Int32Array;
}

/** How the layers are written: with fewer bits where the file must be small, with weights rounded and biases corrected. */
async function roundWeights(
  { model, calibrated, form, samples }: Seen,
  options: QuantizeOptions,
  { rounding, correction }: Named,
  lab: Lab,
): Promise<{ write: WriteOptions; narrowed?: Narrowed }> {
  const { data, maxBytes, iterations, perChannel = true, weightBits = 8 } = options;
  const { biasCorrect: _, grids: __, ...asked } = { grids: undefined, ...options };
  const plain: WriteOptions = { ...asked, perChannel, weightBits, ...form };
  const narrowed = maxBytes === undefined ? undefined : await narrowToSize(calibrated, plain, maxBytes, data, lab);
  const bare = narrowed?.options ?? plain;
  const task = { calibrated, options: bare, data, samples };
  const weights = await rounding.run({ ...task, ...given({ iterations }) }, lab);
  const rounded: WriteOptions = { ...bare, weights };
  const corrected = await correction.run({ ...task, options: rounded, original: model }, lab);
  return { write: { ...rounded, ...corrected }, ...(narrowed && { narrowed: narrowed.report }) };
}

/** The file of what was chosen; the model itself where nothing of it changes. Throws quantize/nothing where nothing could. */
function writeChoice(
  original: Model,
  calibrated: Calibrated,
  { write, stored, escalation }: KernelChoice,
  exclude: readonly string[] | undefined,
): { written: Model; plan: Plan } {
  const { plan, model: mixed } = mixture(calibrated, write, stored);
  const isFloat = plan.kernels.size === 0 && stored.length === 0;
  if (isFloat && storingLayers(calibrated.model.graph, exclude).length === 0) {
    if (!escalation?.reverted.length) throw nothing(original, plan);
    return { written: original, plan };
  }
  return { written: withoutSpare(storedAsBefore(storeTables(mixed, readBy(mixed.graph, exclude)), original)), plan };
}

/** What the model is where all layers compute in floats, and why they do. */
function floatScheme({ kept }: Plan, isAsItWas: boolean): string {
  const why = [FAST_ENOUGH, SENSITIVE, NOT_FASTER].find((reason) => kept.some((one) => one.why === reason));
  return `${isAsItWas ? '' : 'int8 weights, '}float arithmetic: ${why ?? 'its layers have no integer kernels'}`;
}

function integerScheme(
  { weightBits = 8, perChannel = true, activations = 'u8' }: QuantizeOptions,
  { pairSafe }: KernelForm,
  { calibrator }: Named,
  narrowed: Narrowed | undefined,
): string {
  const narrow = narrowed?.layers.length ? ` (${narrowed.layers.length} layers: ${NARROW_BITS})` : '';
  const weights = `s8 weights of ${weightBits} bits${narrow}${pairSafe && weightBits === 8 ? ', pairs checked,' : ''}`;
  return `int8 static, ${activations} activations (${calibrator.name}), ${weights} per ${perChannel ? 'channel' : 'tensor'}`;
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

const holdsIntegers = ({ graph }: Model): boolean =>
  [...graph.initializers.values()].some(({ dtype, dims }) => /^u?int[48]$/.test(dtype) && dims.length > 1);

const correctionNameOf = (asked: CorrectionName | boolean | undefined, { settlesBias }: Rounding): CorrectionName => {
  if (typeof asked === 'string') return asked;
  return (asked ?? !settlesBias) ? 'fast' : 'none';
};
