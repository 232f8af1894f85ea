/** Size and speed of several models, timed in turn on the same machine so that their ratios hold. */

import { asPareError } from '../base/error.ts';
import { costOf, type ModelCost } from '../cost/cost.ts';
import { parametersOf } from '../cost/parameters.ts';
import type { Dataset } from '../data/index.ts';
import { fixedBatch } from '../data/port.ts';
import type { Model } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import { stopIfAborted } from '../runtime/aborted.ts';
import type { Session } from '../runtime/engine.ts';
import type { Lab } from '../runtime/lab.ts';
import { type Case, type Latency, type MeasureOptions, measure } from '../runtime/measure.ts';
import { steadyRun } from '../runtime/steady-run.ts';
import { feedsOf } from './feeds.ts';
import { randomRun } from './random-feeds.ts';
import { loadSubject, type Subject, subjectBytes } from './subject.ts';

export interface Timing {
  /** Samples per run. */
  readonly batch: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** The fastest round: what is left when other programs keep the machine busy. */
  readonly minMs: number;
  /** Time over the first model's at the same batch, in the same round: median, 10th and 90th percentile. */
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
  /** Other programs were at work: `ratio` is that of the fastest rounds. */
  readonly isDisturbed: boolean;
  /** The first model at this batch, which `ratio` is against. */
  readonly against: string;
}

export interface Measured {
  readonly name: string;
  /** The file with its external data. */
  readonly bytes: number;
  readonly parameters: number;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  /** Nodes whose cost could not be told. */
  readonly unknown: readonly string[];
  readonly timings: readonly Timing[];
}

export interface MeasureModelsOptions extends Pick<MeasureOptions, 'rounds' | 'warmup' | 'minMs'> {
  /** Samples per run; a model with a fixed batch is timed at its own only. Empty: nothing is timed or loaded. Default 1 and 32. */
  readonly batches?: readonly number[];
  /** Intra-op threads of each session. Default 1. */
  readonly threads?: number;
  /** Inputs to run on. Default: random numbers. */
  readonly data?: Dataset;
  /** Lengths of open axes of random inputs, by symbol. Default 16 each. */
  readonly dims?: Readonly<Record<string, number>>;
}

/**
 * What the model costs, in whatever opset it is and however little of it is known.
 *
 * MACs and layers are of the model in today's forms; parameters are counted in the model as it is, since a modern form
 * may hold constants that were attributes. Open axes count as `dims` says by symbol, else as 1 or what the model takes.
 */
export function costOfAny(model: Model, dims: Readonly<Record<string, number>> = {}): Omit<ModelCost, 'weightBytes'> {
  const attempt = (make: () => Model): ModelCost | undefined => {
    try {
      return costOf(make(), dims);
    } catch {
      return undefined; // shapes that contradict each other, or ops in between that nobody knows: the file can still be looked at
    }
  };
  const own = attempt(() => model);
  const modern = attempt(() => modernize(model)) ?? own;
  const unknown = modern?.unknown ?? model.graph.nodes.map(({ name, op }) => name || op);
  const { macs = 0, layers = [], lengths = {} } = modern ?? {};
  return { parameters: parametersOf(model.graph), macs, layers, unknown, lengths };
}

/**
 * Bytes, parameters, MACs and latencies of the models.
 *
 * Latencies are interleaved: every round runs every model once at that batch. A batch that a model cannot run (some
 * exporters bake theirs in) is left out of its timings, and said in a note.
 *
 * Throws   engine/load when the engine refuses a model; engine/run when a model runs at no batch at all;
 *          data/port for inputs that random numbers cannot feed; work/aborted.
 */
export async function measureModels(
  models: readonly Subject[],
  lab: Lab,
  { batches = [1, 32], threads = 1, data, dims, ...timing }: MeasureModelsOptions = {},
): Promise<Measured[]> {
  const timings = models.map((): Timing[] => []);
  const refusals = models.map((): unknown => undefined);
  const bindings: Disposable[] = [];
  const loaded: { subject: Subject; session: Session; own: readonly number[] }[] = [];
  try {
    for (const subject of batches.length === 0 ? [] : models) {
      stopIfAborted(lab.signal);
      const fixed = fixedBatch(subject.model.graph);
      const session = await loadSubject(subject, lab, { threads });
      loaded.push({ subject, session, own: fixed === undefined ? batches : [fixed] });
    }
    for (const batch of [...new Set(loaded.flatMap(({ own }) => own))].sort((a, b) => a - b)) {
      const order: number[] = [];
      const ready: Case[] = [];
      for (const [i, { subject, session, own }] of loaded.entries()) {
        if (!own.includes(batch)) continue;
        try {
          ready.push({ name: subject.name, run: await runner(subject, session, batch, lab, bindings, data, dims) });
          order.push(i);
        } catch (thrown) {
          if (asPareError(thrown).code !== 'engine/run') throw thrown;
          refusals[i] = thrown;
          lab.onNote?.(`${subject.name} cannot run a batch of ${batch}: ${asPareError(thrown).message}`);
        }
      }
      lab.onProgress?.({ task: `time batch ${batch}`, done: 0, total: 1 });
      const results = await measure(ready, { ...timing, ...(lab.signal && { signal: lab.signal }) });
      lab.onProgress?.({ task: `time batch ${batch}`, done: 1, total: 1 });
      if (results.some(({ isDisturbed }) => isDisturbed))
        lab.onNote?.(`other programs kept the machine busy while batch ${batch} was timed: the fastest rounds count`);
      results.forEach((latency, n) => {
        timings[order[n]!]!.push(timingOf(latency, batch, results[0]!.name));
      });
    }
    refusals.forEach((refusal, i) => {
      if (refusal && timings[i]!.length === 0) throw refusal;
    });
  } finally {
    for (const held of [...bindings, ...loaded.map(({ session }) => session)]) held[Symbol.dispose]();
  }
  return Promise.all(
    models.map(async (subject, i) => {
      const { parameters, macs, unknown } = costOfAny(subject.model, dims);
      return {
        name: subject.name,
        bytes: await subjectBytes(subject),
        parameters,
        macs,
        unknown,
        timings: timings[i]!,
      };
    }),
  );
}

/** One run of the model on inputs and outputs that stay where they are. */
async function runner(
  subject: Subject,
  session: Session,
  batch: number,
  lab: Lab,
  kept: Disposable[],
  data?: Dataset,
  dims?: Readonly<Record<string, number>>,
): Promise<Case['run']> {
  const { graph } = subject.model;
  const given =
    data &&
    feedsOf(
      data,
      Array.from({ length: batch }, (_, i) => i % data.size),
    );
  const { feeds, outputs } = given
    ? { feeds: given, outputs: await session.run(given, undefined, lab.signal) }
    : await randomRun(session, graph, batch, lab, dims);
  const steady = await steadyRun(session, feeds, outputs);
  kept.push(steady);
  return steady.run;
}

const timingOf = (latency: Latency, batch: number, against: string): Timing => ({
  batch,
  p50Ms: latency.p50Ms,
  p95Ms: latency.p95Ms,
  minMs: latency.minMs,
  ratio: latency.ratio,
  ratioLow: latency.ratioLow,
  ratioHigh: latency.ratioHigh,
  isDisturbed: latency.isDisturbed,
  against,
});
