/**
 * The main job: a trained model made small and fast without losing what it knows.
 *
 *   prune a little → distil from the original → again, while the validation score holds
 *   → runs of layers become one, distilled alike → int8
 *
 * Every stage is judged on validation data; the test data is nobody's business here.
 */

import { showShare } from '../base/unit.ts';
import { collapse } from '../compress/index.ts';
import { costOf, type ModelCost } from '../cost/cost.ts';
import type { Dataset } from '../data/index.ts';
import { distill, type Recorded, record } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import { type CriterionName, prune } from '../prune/index.ts';
import type { Lab } from '../runtime/index.ts';
import { adam, cosine, type EpochReport, scoreModel } from '../train/index.ts';
import { toIntegers } from './integers.ts';
import { relativeLatency } from './latency.ts';

export interface ShrinkOptions {
  /** What students learn from and calibration looks at. */
  train: Dataset;
  /** Labelled samples that decide how far to go. */
  validation: Dataset;
  /** How much of the metric may be lost, as a share (0.01 is one point). Default 0.01. */
  maxDrop?: number;
  /** Shares of the original's multiply-accumulates to try, one after the other. Default 0.3, 0.2, 0.14. */
  keep?: readonly number[];
  /** Pruning criterion. Default 'wanda': magnitudes times the size of what they read. */
  by?: CriterionName;
  /** Passes over the data after each cut. Default 3. */
  epochs?: number;
  /** Samples per step. Default 64. */
  batch?: number;
  /** Peak learning rate of the distillation (Adam, cosine). Default 2e-3. */
  lr?: number;
}

export interface Stage {
  readonly name: 'pruned' | 'distilled' | 'merged' | 'int8';
  readonly model: Model;
  /** On the validation data. */
  readonly metric: number;
  readonly epochs?: readonly EpochReport[];
  readonly seconds: number;
  /** What a reader should know of it. */
  readonly notes: readonly string[];
}

const KEEP = [0.3, 0.2, 0.14];
/** Parameters cost bytes, which integers save once more, and hardly time: they may stay in a larger share. */
const PARAMETERS_PER_MAC = 2;

/** The last accepted stage of each kind, in order. Throws what its methods throw. */
export async function shrink(teacher: Model, options: ShrinkOptions, lab: Lab): Promise<readonly Stage[]> {
  const { train, validation, maxDrop = 0.01, keep = KEEP, by = 'wanda' } = options;
  const reference = await scoreModel(teacher, validation, lab);
  const whole = costOf(modernize(teacher));
  // Structure may spend half of what may be lost; integers come after.
  const floor = reference - maxDrop / 2;
  const learn = pupil(teacher, await record(teacher, train, lab), options, lab);
  const stages: Stage[] = [];
  let current = teacher;

  for (const share of keep) {
    const seconds = stopwatch();
    const cut = await cutTo(current, share, whole, { by, data: train }, lab);
    if (!cut) break;
    const left = costOf(cut);
    const pruned: Stage = {
      name: 'pruned',
      model: cut,
      metric: await scoreModel(cut, validation, lab),
      seconds: seconds(),
      notes: [
        `${showShare(left.macs / whole.macs, 0)} of the multiply-accumulates and ${showShare(left.parameters / whole.parameters, 0)} of the parameters stay, chosen by ${by}`,
      ],
    };
    const distilled = await learn('distilled', cut);
    if (distilled.metric < floor) {
      lab.onNote?.(
        `At ${showShare(share, 0)} of the multiply-accumulates the validation score falls to ${showShare(distilled.metric)}: not taken.`,
      );
      break;
    }
    current = distilled.model;
    stages.splice(0, stages.length, pruned, distilled);
  }
  const merged = await mergeLayers(current, train, learn, lab);
  if (merged && merged.metric >= floor) {
    current = merged.model;
    stages.push(merged);
  } else if (merged) {
    lab.onNote?.(`With layers merged the validation score falls to ${showShare(merged.metric)}: not taken.`);
  }
  stages.push(await quantized(current, reference - maxDrop, options, lab));
  return stages;
}

type Learn = (name: Stage['name'], student: Model, notes?: readonly string[]) => Promise<Stage>;

/** How students learn here: from the teacher's recorded outputs, keeping the epoch that validates best. */
function pupil(teacher: Model, recorded: Recorded, options: ShrinkOptions, lab: Lab): Learn {
  const { train, validation, epochs = 3, batch = 64, lr = 2e-3 } = options;
  return async (name, student, notes = []) => {
    const { model, report } = await distill(
      student,
      teacher,
      train,
      { epochs, batch, validation, recorded, optimizer: (steps: number) => adam({ lr: cosine(lr, steps) }) },
      lab,
    );
    const metric = report.epochs[report.kept]?.metric?.value ?? 0;
    return { name, model, metric, epochs: report.epochs, seconds: report.seconds, notes };
  };
}

/** Runs of layers that one dense layer can stand for, as far as that is faster here; undefined when there is none. */
async function mergeLayers(model: Model, train: Dataset, learn: Learn, lab: Lab): Promise<Stage | undefined> {
  const seconds = stopwatch();
  const { model: merged, report } = await collapse(model, { by: 'dense' }, train, lab);
  if (report.rewrites.length === 0) return undefined;
  const [, ratio] = await relativeLatency([model, merged], lab);
  if (ratio! >= 1) return undefined;
  const took = seconds();
  const stage = await learn(
    'merged',
    merged,
    report.rewrites.map(({ place, what }) => `${place}: ${what}`),
  );
  return { ...stage, seconds: took + stage.seconds };
}

/** The model with at most this share of the original's multiply-accumulates, then of its parameters; undefined when nothing can go. */
async function cutTo(
  model: Model,
  share: number,
  whole: ModelCost,
  how: { by: CriterionName; data: Dataset },
  lab: Lab,
): Promise<Model | undefined> {
  let now = model;
  const budgets = { macs: share, parameters: Math.min(1, PARAMETERS_PER_MAC * share) } as const;
  // A width that is no multiple of the engine's block is slower than the next larger one that is.
  const roundTo = lab.engine.blockSize || undefined;
  for (const budget of ['macs', 'parameters'] as const) {
    const keep = (budgets[budget] * whole[budget]) / costOf(modernize(now))[budget];
    if (keep >= 1) continue;
    const { model: cut, report } = await prune(
      now,
      { keep: budget === 'macs' ? { macs: keep } : { parameters: keep }, roundTo, ...how },
      lab,
    );
    if (!report.fault) now = cut;
  }
  return costOf(now).macs < costOf(modernize(model)).macs ? now : undefined;
}

/** The first way of calibrating that holds the bound; the best one, with a note, when none does. */
async function quantized(model: Model, floor: number, { train, validation }: ShrinkOptions, lab: Lab): Promise<Stage> {
  const seconds = stopwatch();
  const tried: Stage[] = [];
  for (const by of ['minmax', 'percentile', 'mse'] as const) {
    const { model: integers, kernels, stored } = await toIntegers(model, { data: train, by }, lab);
    const metric = await scoreModel(integers, validation, lab);
    const notes = [`int8, ranges by ${by}: ${kernels.length} layers on integer kernels`];
    if (stored.length > 0) {
      notes.push(`faster as floats on this machine, and so only stored in 8 bits: ${stored.join(', ')}`);
    }
    tried.push({ name: 'int8', model: integers, metric, seconds: seconds(), notes });
    if (metric >= floor) return tried.at(-1)!;
  }
  const best = tried.reduce((a, b) => (b.metric > a.metric ? b : a));
  return {
    ...best,
    notes: [...best.notes, `the bound on the loss is missed: ${showShare(best.metric)} on validation data`],
  };
}

/** Seconds since the call. */
function stopwatch(): () => number {
  const started = performance.now();
  return () => (performance.now() - started) / 1000;
}
