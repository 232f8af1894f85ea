/**
 * The main job: a trained model made small and fast without losing what it knows.
 *
 *   prune a little → distil from the original → again, while the validation score holds → int8
 *
 * Every stage is judged on validation data; the test data is nobody's business here.
 */

import { showShare } from '../base/unit.ts';
import { costOf, type ModelCost } from '../cost/cost.ts';
import type { Dataset } from '../data/index.ts';
import { distill, record } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import { type CriterionName, prune } from '../prune/index.ts';
import type { Lab } from '../runtime/index.ts';
import { adam, cosine, type EpochReport, scoreModel } from '../train/index.ts';
import { toIntegers } from './integers.ts';

export interface ShrinkOptions {
  /** What students learn from and calibration looks at. */
  train: Dataset;
  /** Labelled samples that decide how far to go. */
  validation: Dataset;
  /** How much of the metric may be lost, as a share (0.01 is one point). Default 0.01. */
  maxDrop?: number;
  /** Shares of the original's multiply-accumulates and parameters to try, one after the other. */
  keep?: readonly number[];
  /** Pruning criterion. Default 'wanda': magnitudes times the size of what they read. */
  by?: CriterionName;
  /** Passes over the data after each cut. Default 3. */
  epochs?: number;
  /** Samples per step. Default 64. */
  batch?: number;
  /** Peak learning rate of the distillation (Adam, cosine). Default 1e-3. */
  lr?: number;
}

export interface Stage {
  readonly name: 'pruned' | 'distilled' | 'int8';
  readonly model: Model;
  /** On the validation data. */
  readonly metric: number;
  readonly epochs?: readonly EpochReport[];
  readonly seconds: number;
  /** What a reader should know of it. */
  readonly notes: readonly string[];
}

const KEEP = [0.4, 0.2, 0.14];

/** The last accepted stage of each kind, in order. Throws what its methods throw. */
export async function shrink(teacher: Model, options: ShrinkOptions, lab: Lab): Promise<readonly Stage[]> {
  const { train, validation, maxDrop = 0.01, keep = KEEP, by = 'wanda', epochs = 3, batch = 64, lr = 1e-3 } = options;
  const reference = await scoreModel(teacher, validation, lab);
  const recorded = await record(teacher, train, lab);
  const whole = costOf(modernize(teacher));
  const stages: Stage[] = [];
  // Cutting may spend half of what may be lost; integers come after.
  const floor = reference - maxDrop / 2;
  let current = teacher;

  for (const share of keep) {
    const started = performance.now();
    const cut = await cutTo(current, share, whole, { by, data: train }, lab);
    if (!cut) break;
    const cutScore = await scoreModel(cut, validation, lab);
    const cutSeconds = (performance.now() - started) / 1000;
    const { model: student, report: learnt } = await distill(
      cut,
      teacher,
      train,
      { epochs, batch, validation, recorded, optimizer: (steps: number) => adam({ lr: cosine(lr, steps) }) },
      lab,
    );
    const score = learnt.epochs[learnt.kept]?.metric?.value ?? 0;
    if (score < floor) {
      lab.onNote?.(
        `At ${showShare(share, 0)} of the multiply-accumulates the validation score falls to ${showShare(score)}: not taken.`,
      );
      break;
    }
    current = student;
    const left = costOf(cut);
    stages.splice(0, stages.length, {
      name: 'pruned',
      model: cut,
      metric: cutScore,
      seconds: cutSeconds,
      notes: [
        `${showShare(left.macs / whole.macs, 0)} of the multiply-accumulates and ${showShare(left.parameters / whole.parameters, 0)} of the parameters stay, chosen by ${by}`,
      ],
    });
    stages.push({
      name: 'distilled',
      model: student,
      metric: score,
      epochs: learnt.epochs,
      seconds: learnt.seconds,
      notes: [],
    });
  }
  stages.push(await quantized(current, reference - maxDrop, options, lab));
  return stages;
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
  for (const budget of ['macs', 'parameters'] as const) {
    const keep = (share * whole[budget]) / costOf(modernize(now))[budget];
    if (keep >= 1) continue;
    const { model: cut, report } = await prune(
      now,
      { keep: budget === 'macs' ? { macs: keep } : { parameters: keep }, ...how },
      lab,
    );
    if (!report.fault) now = cut;
  }
  return costOf(now).macs < costOf(modernize(model)).macs ? now : undefined;
}

/** The first way of calibrating that holds the bound; the best one, with a note, when none does. */
async function quantized(model: Model, floor: number, { train, validation }: ShrinkOptions, lab: Lab): Promise<Stage> {
  const started = performance.now();
  const tried: Stage[] = [];
  for (const by of ['minmax', 'percentile', 'mse'] as const) {
    const { model: integers, kernels, stored } = await toIntegers(model, { data: train, by }, lab);
    const metric = await scoreModel(integers, validation, lab);
    const notes = [`int8, ranges by ${by}: ${kernels.length} layers on integer kernels`];
    if (stored.length > 0) {
      notes.push(`faster as floats on this machine, and so only stored in 8 bits: ${stored.join(', ')}`);
    }
    tried.push({ name: 'int8', model: integers, metric, seconds: (performance.now() - started) / 1000, notes });
    if (metric >= floor) return tried.at(-1)!;
  }
  const best = tried.reduce((a, b) => (b.metric > a.metric ? b : a));
  return {
    ...best,
    notes: [...best.notes, `the bound on the loss is missed: ${showShare(best.metric)} on validation data`],
  };
}
