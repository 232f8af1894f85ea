/** From a model, samples and a budget to the smallest and fastest model that keeps the promise, with the evidence. */

import { showShare } from '../base/unit.ts';
import type { Dataset, Splits } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { elements, zeros } from '../graph/tensor.ts';
import type { Recipe } from '../recipe/index.ts';
import type { Lab } from '../runtime/index.ts';
import { prepareData } from './bench.ts';
import { type Budget, checkBudget, type Objective } from './budget.ts';
import { type Choice, choose } from './choose.ts';
import { type Evidence, evidenceOf } from './evidence.ts';
import { frontierOf } from './frontier.ts';
import { digest, type Journal, memoryJournal } from './journal.ts';
import { judgeOf } from './judge.ts';
import { missedBy } from './missed.ts';
import { search } from './search.ts';
import { engineStopwatch, type Stopwatch } from './stopwatch.ts';
import { openWorkshop, type Trial, type Workshop } from './workshop.ts';

export interface OptimizeOptions {
  /** Samples, with labels or without; a test set, where there is one, says at the end what was lost. Absent: exact steps only. */
  readonly data?: Dataset | Splits | undefined;
  readonly budget?: Budget | undefined;
  /** Where latency is measured. Default: this engine. */
  readonly stopwatch?: Stopwatch | undefined;
  /** Where the search is kept, so that it can go on after anything. Default: in memory. */
  readonly journal?: Journal | undefined;
  /** Milliseconds on any scale, for the time budget. Default performance.now. */
  readonly now?: (() => number) | undefined;
  /** Told of every trial. */
  readonly onTrial?: ((trial: Trial) => void) | undefined;
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
}

const TIME_MS = 10 * 60_000;
const MAX_DROP = 0.01;

/**
 * Finds the recipe that makes this model small and fast within the budget.
 *
 * The result is never worse than the input in the objective: where nothing helps, the input comes back. Latency is
 * measured against the original in turn, the loss on samples that nothing was learnt, calibrated or searched on. The same
 * journal gives the same recipe.
 *
 * Throws   option/budget; data/… when the samples do not fit the model; engine/…; work/aborted (the journal keeps all).
 *
 * @example
 * const { model, evidence } = await optimize(resnet, { data, budget: { maxDrop: 0.01 } }, lab);
 */
export async function optimize(model: Model, options: OptimizeOptions, lab: Lab): Promise<Optimized> {
  const { budget = {}, journal = memoryJournal(), onTrial, now } = options;
  checkBudget(budget);
  const notes: string[] = [];
  const told: Lab = {
    ...lab,
    onNote: (note) => {
      notes.push(note);
      lab.onNote?.(note);
    },
  };
  const started = performance.now();
  const maxDrop = budget.maxDrop ?? MAX_DROP;
  const timeMs = budget.timeMs ?? TIME_MS;
  const { bench, parts, evaluation, splits } = await prepareData(model, options.data, told);
  const stopwatch = options.stopwatch ?? engineStopwatch(lab, evaluation);
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
  await search({ workshop, budget, maxDrop, timeMs, bench, judge, stopwatch }, told);

  const objective: Objective = budget.objective ?? 'latency';
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
  };
}

/** The evaluation samples are asked at most so often; the interval widens with each time. */
const MOST_LOOKS = 3;

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
    if (evidence.drop <= maxDrop) return { choice, evidence };
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
    for (const [name, { dtype, dims }] of Object.entries(set.inputs)) {
      const ends = zeros(dtype, [2, ...dims]);
      set.fill(name, [0, set.size - 1], elements(ends));
      parts.push(`${set.name} ${set.size} ${set.task} ${name}`, ends.bytes);
    }
  }
  return (await digest(...parts)).slice(0, 16);
}
