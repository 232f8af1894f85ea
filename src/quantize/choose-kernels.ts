/** Which layers compute on integers: what bounds on time and on loss decide, and timings on this machine. */

import { isWithin } from '../base/unit.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import type { Calibrated, WriteOptions } from './calibrated.ts';
import { type Escalated, type Escalation, escalate } from './escalate.ts';
import { FAST_ENOUGH, planOf } from './plan.ts';
import { type Quickened, quicken } from './quicken.ts';
import { type Speed, slowLayers, timedOn } from './slow-layers.ts';

export interface KernelBounds {
  /** Samples to time on, and to judge by where there is no `judge`. */
  data: Dataset;
  /**
   * The most accuracy that may be lost, as a share (0.01 is one point); without labels, the share of answers that may
   * change. The most sensitive layers go back to floats until it holds. Default: no bound.
   */
  maxDrop?: number;
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
  /** Samples to judge by, best none of those calibrated on. Default: `data`. At most 2000 are used. */
  judge?: Dataset;
}

/** What was decided, and on what grounds. */
export interface KernelChoice {
  readonly write: WriteOptions;
  /** Layers that compute in floats with weights stored in 8 bits. */
  readonly stored: readonly string[];
  /** What `maxMs` did. */
  readonly quickened?: Quickened;
  /** What timing found; only where it was asked for. */
  readonly speed?: Speed;
  /** What `maxDrop` did. */
  readonly escalation?: Escalation;
}

export interface KernelTask {
  readonly original: Model;
  /** Ranges of every value that any mixture could quantise, where there is a bound or a clock. */
  readonly calibrated: Calibrated;
  /** How all layers would be written on integers. */
  readonly write: WriteOptions;
  /** Layers have fewer bits already, to bring the file to a size: none is taken back. */
  readonly isNarrowed: boolean;
}

/** Below this share of the original's time, integers are fast enough for all layers. */
const CLEARLY = 0.8;

/** Throws what timing and judging throw: data/port, engine/run, work/aborted. */
export async function chooseKernels(
  { original, calibrated, write, isNarrowed }: KernelTask,
  bounds: KernelBounds,
  lab: Lab,
): Promise<KernelChoice> {
  const { data, maxDrop, maxMs, kernels } = bounds;
  const time = timedOn(data, lab);
  const timed = (how: WriteOptions): Promise<Speed> =>
    slowLayers({ original, calibrated, write: how, time, enough: CLEARLY }, lab);
  const quickened = maxMs === undefined ? undefined : await quicken({ original, calibrated, write, data, maxMs }, lab);
  const speed = kernels === 'measured' && !quickened ? await timed(write) : undefined;
  const slow = quickened?.slow ?? speed?.slow ?? [];
  const fast: WriteOptions = {
    ...write,
    ...(slow.length > 0 && { slow }),
    ...(quickened && { slowBecause: FAST_ENOUGH }),
  };
  const hasKernels = (): boolean => planOf(calibrated.model.graph, calibrated.facts, fast).kernels.size > 0;
  const mayLose = maxDrop === undefined || isNarrowed || quickened !== undefined || (speed && !hasKernels());
  const escalated = mayLose ? undefined : await escalate(calibrated, fast, maxDrop, bounds, lab);
  // What went back to floats changes what else is faster on integers.
  const again = speed && escalated?.report.reverted.length ? await timed(escalated.options) : undefined;
  return {
    write: escalated?.options ?? fast,
    stored: [...(again?.slow ?? slow), ...(escalated?.report.stored ?? [])],
    ...(quickened && { quickened }),
    ...(speed && { speed: again ?? speed }),
    ...(escalated && { escalation: again ? await judgedAgain(escalated, again, maxDrop!) : escalated.report }),
  };
}

/** What is lost now that more layers compute in floats. */
async function judgedAgain({ report, dropWith }: Escalated, { slow }: Speed, maxDrop: number): Promise<Escalation> {
  const drop = await dropWith(slow);
  return { ...report, drop, held: isWithin(drop, maxDrop) };
}
