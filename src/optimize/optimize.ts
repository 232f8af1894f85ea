/** From a model, samples and a budget to the smallest and fastest model that keeps the promise, with the evidence. */

import { pick } from '../base/suggest.ts';
import { isWithin, showShare } from '../base/unit.ts';
import { batchDims, type Dataset, type Splits } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { elements, zeros } from '../graph/tensor.ts';
import type { Recipe, RecipeName } from '../recipe/index.ts';
import { type Lab, openEngine } from '../runtime/index.ts';
import { prepareData } from './bench.ts';
import { type Budget, checkBudget, type Objective } from './budget.ts';
import { type Choice, choose } from './choose.ts';
import { type Evidence, evidenceOf } from './evidence.ts';
import { frontierOf } from './frontier.ts';
import { digest, type Journal, memoryJournal } from './journal.ts';
import { judgeOf } from './judge.ts';
import { missedBy } from './missed.ts';
import { searchPresets } from './preset.ts';
import type { Quest } from './quest.ts';
import type { LayerLoss } from './rank.ts';
import { search } from './search.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Profile } from './target/profile.ts';
import { openTarget, type TargetName } from './target/targets.ts';
import { openWorkshop, type Trial, type Workshop } from './workshop.ts';

export interface OptimizeOptions {
  /** Samples, with labels or without; a test set, where there is one, says at the end what was lost. Absent: exact steps only. */
  readonly data?: Dataset | Splits | undefined;
  readonly budget?: Budget | undefined;
  /** An end by name: stands in for a target and an objective that are not given, and its recipe is tried first. */
  readonly preset?: RecipeName | undefined;
  /** Where it should be fast: a machine by name, or the profile of one. Default: as the preset says, or here. */
  readonly target?: TargetName | Profile | undefined;
  /** How latency is measured; default: as the target says. */
  readonly stopwatch?: Stopwatch | undefined;
  /** Where the search is kept, so that it can go on after anything. Default: in memory. */
  readonly journal?: Journal | undefined;
  /** Milliseconds on any scale, for the time budget. Default performance.now. */
  readonly now?: (() => number) | undefined;
  /** Told of every trial. */
  readonly onTrial?: ((trial: Trial) => void) | undefined;
  /** Ends the search between two steps: throws work/aborted. Default: the lab's. */
  readonly signal?: AbortSignal | undefined;
  /** Told how much of the time is spent. Default: the lab's. */
  readonly onProgress?: Lab['onProgress'] | undefined;
}

export interface Optimized {
  readonly model: Model;
  readonly recipe: Recipe;
  readonly chosen: Trial;
  readonly original: Trial;
  /** Every model that was made, in order. */
  readonly trials: readonly Trial[];
  /** Those that no other beats in everything: loss, latency, bytes. */
  readonly frontier: readonly Trial[];
  readonly evidence?: Evidence;
  /** Bounds that are missed, in words, with what would be needed. Empty: all hold. */
  readonly missed: readonly string[];
  readonly notes: readonly string[];
  readonly seconds: number;
  /** How latency was measured. */
  readonly latency: string;
  readonly objective: Objective;
  /** What integers cost each layer of the original when it alone has them, as far as the search found out. */
  readonly losses: readonly LayerLoss[];
}

const TIME_MS = 10 * 60_000;
const MAX_DROP = 0.01;

/**
 * Finds the recipe that makes this model small and fast within the budget.
 *
 * The result is never worse than the input in the objective: where nothing helps, the input comes back. Latency is
 * measured against the original in turn, the loss on samples that nothing was learnt, calibrated or searched on. The same
 * journal gives the same recipe. Without a lab, an engine is opened and closed.
 *
 * Throws   option/budget; option/unknown for a target or a preset; data/… when the samples do not fit the model; engine/…;
 *          work/aborted (the journal keeps all).
 *
 * @example
 * const { model, evidence } = await optimize(resnet, { data, budget: { maxDrop: 0.01 } });
 */
export async function optimize(model: Model, options: OptimizeOptions = {}, lab?: Lab): Promise<Optimized> {
  if (!lab) {
    using engine = await openEngine();
    return await optimize(model, options, { engine });
  }
  const { journal = memoryJournal(), onTrial, now, signal, onProgress } = options;
  const preset = options.preset && pick(searchPresets, options.preset, 'preset');
  const target = options.target ?? preset?.target ?? 'here';
  const budget: Budget = { ...options.budget, objective: options.budget?.objective ?? preset?.objective };
  checkBudget(budget);
  const notes: string[] = [];
  const told: Lab = {
    ...lab,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    onNote: (note) => {
      notes.push(note);
      lab.onNote?.(note);
    },
  };
  const started = performance.now();
  const maxDrop = budget.maxDrop ?? MAX_DROP;
  const timeMs = budget.timeMs ?? TIME_MS;
  const { bench, parts, evaluation, splits } = await prepareData(model, options.data, told);
  using machine = await openTarget(target, told, evaluation);
  const stopwatch = options.stopwatch ?? machine.stopwatch;
  const judge = parts && (await judgeOf(model, parts.search, told));
  const identity = JSON.stringify([await describe(splits), stopwatch.about]);
  const workshop = await openWorkshop(
    {
      original: model,
      identity,
      bench,
      judge,
      stopwatch,
      journal,
      timeMs,
      ...(now && { now }),
      ...(onTrial && { onTrial }),
    },
    told,
  );
  if (journal.found > 0)
    told.onNote?.(`the journal remembers ${journal.found} measurements: the search goes on from there`);
  const objective: Objective = budget.objective ?? 'latency';
  const losses: Quest['losses'] = new Map();
  await search(
    {
      workshop,
      budget,
      objective,
      maxDrop,
      timeMs,
      bench,
      judge,
      stopwatch,
      start: preset?.steps ?? [],
      losses,
      manners: new Map(),
    },
    told,
  );

  const first = await choose({ workshop, budget, maxDrop, objective, parts, stopwatch, original: model }, told);
  const { choice, evidence } = await confirm(model, first, evaluation, workshop, maxDrop, told);
  return {
    model: await workshop.modelOf(choice.trial),
    recipe: { seed: lab.seed ?? 0, threads: lab.engine.threads, steps: choice.trial.calls },
    chosen: choice.trial,
    original: workshop.root,
    trials: workshop.trials,
    frontier: frontierOf(workshop.trials),
    ...(evidence && { evidence }),
    missed: missedBy(choice, workshop.trials, budget, maxDrop, evidence),
    notes: [...new Set(notes)],
    seconds: (performance.now() - started) / 1000,
    latency: stopwatch.about,
    objective,
    losses: losses.get(workshop.root.key) ?? [],
  };
}

/** The evaluation samples are asked at most so often; the interval widens with each time. */
const MOST_LOOKS = 5;

/** Scores the choice on the evaluation samples; where it loses too much there, the next that lost less so far. */
async function confirm(
  original: Model,
  first: Choice,
  data: Dataset | undefined,
  workshop: Workshop,
  maxDrop: number,
  lab: Lab,
): Promise<{ choice: Choice; evidence?: Evidence }> {
  if (!data) return { choice: first };
  const judge = await judgeOf(original, data, lab);
  let [choice, best] = [first, undefined as { choice: Choice; evidence: Evidence } | undefined];
  for (let looks = 1; looks <= MOST_LOOKS; looks++) {
    const evidence = await evidenceOf(judge, await workshop.modelOf(choice.trial), maxDrop, looks);
    if (isWithin(evidence.drop, maxDrop)) return { choice, evidence };
    if (!best || evidence.drop < best.evidence.drop) best = { choice, evidence };
    const [next, ...others] = choice.others;
    if (!next || looks === MOST_LOOKS) break;
    lab.onNote?.(
      `the best trial loses ${showShare(evidence.drop)} on the evaluation samples, more than on those it was chosen by: the next one is taken`,
    );
    choice = { ...choice, trial: next, others };
  }
  return best!;
}

/** Enough of the data to tell two sets apart. */
async function describe(splits: Splits | undefined): Promise<string> {
  if (!splits) return 'none';
  const parts = [];
  for (const set of [splits.train, splits.validation, splits.test]) {
    if (!set) continue;
    for (const [name, column] of Object.entries(set.inputs)) {
      const ends = zeros(column.dtype, batchDims(column, 2));
      set.fill(name, [0, set.size - 1], elements(ends));
      parts.push(`${set.name} ${set.size} ${set.task} ${name}`, ends.bytes);
    }
  }
  return (await digest(...parts)).slice(0, 16);
}
