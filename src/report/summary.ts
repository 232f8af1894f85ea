/** The numbers of a run, step by step: what the terminal table, the HTML page and `--json` all show. */

import type { Hardware } from '../runtime/profile.ts';
import type { Metric } from './evaluate.ts';
import type { LayerChange } from './layers.ts';
import type { Measured } from './measure-models.ts';
import type { SearchSummary } from './search.ts';
import type { Table } from './table.ts';

/** Milliseconds of one run by batch size: `{ batch1: 0.42, batch32: 9.1 }`. */
export type LatencyMs = Readonly<Record<`batch${number}`, number>>;

/** The model as it was after one step. */
export interface Step {
  /** "trained", "pruned", "int8": what a reader calls this state. */
  readonly name: string;
  readonly metric?: Metric;
  readonly bytes: number;
  readonly parameters: number;
  readonly macs: number;
  /** Medians (the fastest rounds on a machine that is busy), single-threaded unless the summary's notes say otherwise. */
  readonly latencyMs: LatencyMs;
  /** Time over the first step's, measured in turn with it: 0.25 is four times as fast. */
  readonly latencyRatio?: LatencyMs;
  /** How long the step took. */
  readonly seconds?: number;
}

/** One epoch of training. */
export interface Epoch {
  readonly loss: number;
  readonly metric?: Metric;
  readonly samplesPerSecond?: number;
}

/** How a step that trains went. */
export interface Curve {
  readonly step: string;
  readonly epochs: readonly Epoch[];
}

/** What ran: enough to judge the figures. */
export type Machine = Partial<Hardware>;

export interface Summary {
  readonly title: string;
  /** First the model as it was, last as it is now; at least one. */
  readonly steps: readonly Step[];
  readonly curves: readonly Curve[];
  readonly layers: readonly LayerChange[];
  /** What a reader should know: what stayed float, what was protected, what the figures do not say. */
  readonly notes: readonly string[];
  readonly machine: Machine;
  /** "pare", "onnxruntime", "node". */
  readonly versions: Readonly<Record<string, string>>;
  readonly seed: number;
  /** The data that was scored on: "mnist, 10000 test samples". */
  readonly data?: string;
  /** The command that does it again. */
  readonly command?: string;
  /** What was done, in tables. */
  readonly tables?: readonly Table[];
  /** What a search tried, where there was one. */
  readonly search?: SearchSummary;
}

/** A measured model as a step. */
export function stepOf(
  { name, bytes, parameters, macs, timings }: Measured,
  more: Pick<Step, 'metric' | 'seconds'> & { readonly name?: string } = {},
): Step {
  return {
    name: more.name ?? name,
    ...(more.metric && { metric: more.metric }),
    bytes,
    parameters,
    macs,
    latencyMs: Object.fromEntries(
      timings.map(({ batch, p50Ms, minMs, isDisturbed }) => [`batch${batch}`, isDisturbed ? minMs : p50Ms]),
    ),
    latencyRatio: Object.fromEntries(timings.map(({ batch, ratio }) => [`batch${batch}`, ratio])),
    ...(more.seconds !== undefined && { seconds: more.seconds }),
  };
}

/** What the last step gained on the first; undefined where it was not measured. */
export interface Gain {
  /** First over last. */
  readonly smaller: number;
  /** First over last, by batch size. */
  readonly faster: readonly { readonly batch: number; readonly times: number }[];
  /** Points (hundredths) of the metric lost: below 0 is a gain. Only where both have the same share as metric. */
  readonly dropPoints?: number;
}

/** Compares the last step to the first. */
export function gainOf(steps: readonly Step[]): Gain | undefined {
  const [first, last] = [steps[0], steps.at(-1)];
  if (!first || !last || first === last) return undefined;
  const faster = batchesOf([first, last]).flatMap((batch) => {
    const [before, after] = [first.latencyMs[`batch${batch}`], last.latencyMs[`batch${batch}`]];
    if (!before || !after) return [];
    const ratio = last.latencyRatio?.[`batch${batch}`] ?? after / before;
    return [{ batch, times: 1 / ratio }];
  });
  const isComparable = first.metric && last.metric && first.metric.name === last.metric.name && isShare(last.metric);
  return {
    smaller: first.bytes / last.bytes,
    faster,
    ...(isComparable && { dropPoints: (first.metric!.value - last.metric!.value) * 100 }),
  };
}

/** The batch sizes that some step was timed at, ascending. */
export const batchesOf = (steps: readonly Step[]): number[] =>
  [...new Set(steps.flatMap(({ latencyMs }) => Object.keys(latencyMs)))]
    .map((key) => Number(key.slice('batch'.length)))
    .sort((a, b) => a - b);

/** Is this metric a share from 0 to 1? */
export const isShare = ({ name }: Metric): boolean => name === 'accuracy' || name === 'agreement';
