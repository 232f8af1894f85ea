/** Where trials are made: a step is done, the result is measured and judged, and all of it goes into the journal. */

import { asPareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import { modelBytes, modelPieces } from '../onnx/index.ts';
import { type Bench, follow, followStep, type StepCall, stepOf, taughtBy } from '../recipe/index.ts';
import { costOfAny } from '../report/index.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import type { Cost } from './budget.ts';
import { digest, type Journal } from './journal.ts';
import type { Judge } from './judge.ts';
import type { Stopwatch } from './stopwatch.ts';

/** A model that was made and measured. */
export interface Trial extends Cost {
  readonly key: string;
  readonly calls: readonly StepCall[];
  /** The metric on the search samples, and what was lost there; absent without samples. */
  readonly metric?: number;
  readonly drop: number;
  /** How far its outputs lie from the original's there, over their own length. */
  readonly distance: number;
  /** What it took to make and judge. */
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** What the journal holds of a trial; or why there is none. */
type Entry = Omit<Trial, 'key'> | { readonly fault: string; readonly seconds: number };

export interface Workshop {
  readonly root: Trial;
  readonly trials: readonly Trial[];
  /** Milliseconds that the work so far took: of what the journal remembers, what it took then. */
  spentMs(): number;
  /** The trial after one more step; undefined when the step cannot be done, which is noted. */
  grow(parent: Trial, call: StepCall): Promise<Trial | undefined>;
  modelOf(trial: Trial): Promise<Model>;
  /** Something measured beside trials, once: the journal remembers it. */
  once<T>(key: string, make: () => Promise<T>): Promise<T>;
}

export interface WorkshopOptions {
  readonly original: Model;
  /** What the search depends on besides the model: data, target, versions. */
  readonly identity: string;
  readonly bench: Bench;
  /** On the search samples. */
  readonly judge?: Judge | undefined;
  readonly stopwatch: Stopwatch;
  readonly journal: Journal;
  readonly now?: () => number;
  /** Milliseconds that all of the search may take: a step that runs far beyond is given up. */
  readonly timeMs?: number;
  readonly onTrial?: (trial: Trial) => void;
}

export async function openWorkshop(options: WorkshopOptions, lab: Lab): Promise<Workshop> {
  const {
    original,
    identity,
    bench,
    judge,
    stopwatch,
    journal,
    now = () => performance.now(),
    timeMs,
    onTrial,
  } = options;
  const trials: Trial[] = [];
  let spent = 0;
  const rootKey = (await digest(await fingerprint(original), identity, `${lab.seed ?? 0}`)).slice(0, 16);

  const measure = async (model: Model, isRoot: boolean) => {
    const [, latency] = await stopwatch.time(isRoot ? [original, original] : [original, model]);
    const { macs, parameters } = costOfAny(model);
    const score = isRoot ? judge?.before : await judge?.score(model);
    return {
      bytes: modelBytes(model),
      macs,
      parameters,
      latencyRatio: isRoot ? 1 : latency!.ratio,
      latencyMs: latency!.ms,
      ...(score && { metric: score.metric.value }),
      drop: score?.drop ?? 0,
      distance: score?.distance ?? 0,
    };
  };

  /** From the journal, or made now and written there. */
  const recorded = async (key: string, make: () => Promise<Entry>): Promise<Trial | undefined> => {
    let entry = journal.get(key) as Entry | undefined;
    if (!entry) {
      stopIfAborted(lab.signal);
      entry = await make();
      await journal.put(key, entry);
    }
    spent += entry.seconds * 1000;
    if ('fault' in entry) return undefined;
    const trial = { key, ...entry };
    trials.push(trial);
    onTrial?.(trial);
    return trial;
  };

  const root = (await recorded(rootKey, async () => {
    const started = now();
    const cost = await measure(original, true);
    return { calls: [], ...cost, seconds: (now() - started) / 1000, notes: [] };
  }))!;
  await journal.keep(rootKey, original);

  const modelOf = async (trial: Trial): Promise<Model> => {
    if (trial.calls.length === 0) return original;
    const kept = await journal.model(trial.key);
    if (kept) return kept;
    const model = await follow(original, trial.calls, bench, lab);
    await journal.keep(trial.key, model);
    return model;
  };

  const benches = new Map<string, Bench>();
  /** With the teacher that the last step that teaches made. */
  const benchOf = async ({ calls }: Trial): Promise<Bench> => {
    const last = calls.findLastIndex((call) => stepOf(call).step.teaches);
    if (last < 0) return bench;
    const wanted = JSON.stringify(calls.slice(0, last + 1));
    const teacher = trials.find((trial) => JSON.stringify(trial.calls) === wanted)!;
    const known = benches.get(teacher.key) ?? taughtBy(await modelOf(teacher), bench);
    benches.set(teacher.key, known);
    return known;
  };

  return {
    root,
    trials,
    modelOf,
    spentMs: () => spent,
    async grow(parent, call) {
      const key = (await digest(parent.key, JSON.stringify(call))).slice(0, 16);
      const known = trials.find((trial) => trial.key === key);
      if (known) return known;
      return await recorded(key, async () => {
        const started = now();
        const seconds = (): number => (now() - started) / 1000;
        using late = lateAfter(timeMs === undefined ? undefined : Math.max(LEAST_MS, timeMs - spent), started, now);
        try {
          const from = await modelOf(parent);
          const said: string[] = [];
          const own: Lab = {
            ...lab,
            signal: AbortSignal.any([...(lab.signal ? [lab.signal] : []), late.signal]),
            onNote: (note) => void said.push(note),
          };
          const { model, call: settled, notes } = await followStep(from, call, await benchOf(parent), own);
          const cost = await measure(model, false);
          await journal.keep(key, model);
          return {
            calls: [...parent.calls, settled],
            ...cost,
            seconds: seconds(),
            notes: [...new Set([...notes, ...said])],
          };
        } catch (thrown) {
          const error = asPareError(thrown);
          const isLate = error.code === 'work/aborted' && !lab.signal?.aborted;
          if (error.code === 'work/aborted' && !isLate) throw error;
          lab.onNote?.(
            isLate
              ? `"${call.step}" was given up: the time is over`
              : `"${call.step}" cannot be done here: ${error.message}`,
          );
          return { fault: error.describe(), seconds: seconds() };
        }
      });
    },
    async once(name, make) {
      const key = (await digest(rootKey, name)).slice(0, 16);
      const known = journal.get(key) as { value: Awaited<ReturnType<typeof make>>; seconds: number } | undefined;
      if (known) {
        spent += known.seconds * 1000;
        return known.value;
      }
      const started = now();
      const value = await make();
      const seconds = (now() - started) / 1000;
      await journal.put(key, { value, seconds });
      spent += seconds * 1000;
      return value;
    },
  };
}

/** What every step may take, however late it is. */
const LEAST_MS = 15_000;

/** Aborts when a step takes longer than the whole search still may, by the search's own clock. */
function lateAfter(
  mostMs: number | undefined,
  started: number,
  now: () => number,
): Disposable & { readonly signal: AbortSignal } {
  const late = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = (ms: number): void => {
    timer = setTimeout(() => {
      const left = mostMs! - (now() - started);
      if (left <= 0) late.abort();
      else wait(left);
    }, Math.ceil(ms));
  };
  if (mostMs !== undefined) wait(mostMs);
  return { signal: late.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Piece after piece: a large model is never held as a whole. */
async function fingerprint(model: Model): Promise<string> {
  let key = '';
  for (const piece of modelPieces(model)) key = await digest(key, piece);
  return key;
}
