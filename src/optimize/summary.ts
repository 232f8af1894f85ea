/** A finished search as a report shows it. */

import { fixedBatch } from '../data/port.ts';
import type { Model } from '../graph/model.ts';
import { describeSteps } from '../recipe/index.ts';
import { feedsOf } from '../report/feeds.ts';
import { graphRows, tensorSizes } from '../report/graph-rows.ts';
import type { Claim, Flip, LayerFate, SearchSummary } from '../report/index.ts';
import { layerFates } from '../report/layer-fates.ts';
import { pictureOf } from '../report/picture.ts';
import type { Lab } from '../runtime/index.ts';
import type { Evidence } from './evidence.ts';
import type { Optimized } from './optimize.ts';

/** More changed answers than this are counted, not shown. */
const MOST_FLIPS = 24;

export async function searchSummary(
  original: Model,
  found: Optimized,
  maxDrop: number,
  lab: Lab,
): Promise<SearchSummary> {
  const { chosen, trials, frontier, evidence, model } = found;
  const best = new Set(frontier.map(({ key }) => key));
  const flipped = evidence ? flippedSamples(evidence) : [];
  return {
    steps: chosen.calls.map((call, i) => ({ name: describeSteps([call]), notes: notesOf(found, i) })),
    trials: trials.map((trial) => ({
      recipe: describeSteps(trial.calls) === 'nothing' ? 'the original' : describeSteps(trial.calls),
      latencyRatio: trial.latencyRatio,
      bytes: trial.bytes,
      drop: trial.drop,
      isFrontier: best.has(trial.key),
      isChosen: trial.key === chosen.key,
    })),
    ...(evidence && { claim: claimOf(evidence, maxDrop) }),
    flips: evidence ? await Promise.all(flipped.slice(0, MOST_FLIPS).map((sample) => flipOf(evidence, sample))) : [],
    flipped: flipped.length,
    layers: evidence ? withLosses(await layerFates(original, model, firstSample(original, evidence), lab), found) : [],
    tensors: { before: tensorSizes(original), after: tensorSizes(model) },
    graphs: { before: graphRows(original), after: graphRows(model) },
    latency: found.latency,
  };
}

function withLosses(fates: readonly LayerFate[], { losses }: Optimized): LayerFate[] {
  const known = new Map(losses.map(({ node, loss }) => [node, loss]));
  return fates.map((fate) => ({ ...fate, ...(known.has(fate.name) && { sensitivity: known.get(fate.name)! }) }));
}

/** What the step said when it was done: the trial whose recipe ends there remembers. */
function notesOf({ trials, chosen }: Optimized, step: number): readonly string[] {
  const wanted = JSON.stringify(chosen.calls.slice(0, step + 1));
  return trials.find(({ calls }) => JSON.stringify(calls) === wanted)?.notes ?? [];
}

function firstSample({ graph }: Model, { data }: Evidence) {
  const batch = fixedBatch(graph) ?? 1;
  return feedsOf(
    data,
    Array.from({ length: batch }, (_, i) => i % data.size),
  );
}

const claimOf = ({ after, drop, change, about, tooSmall }: Evidence, maxDrop: number): Claim => ({
  metric: after.name,
  drop,
  low: change.interval.low,
  high: change.interval.high,
  confidence: change.interval.confidence,
  samples: change.samples,
  lost: change.lost,
  won: change.won,
  maxDrop,
  about,
  tooSmall,
});

function flippedSamples({ scores: { before, after } }: Evidence): number[] {
  return [...after.answers.keys()].filter((i) => before.answers[i] !== after.answers[i]);
}

async function flipOf({ data, labels, scores: { before, after } }: Evidence, sample: number): Promise<Flip> {
  const named = (answer: number | undefined): string =>
    answer === undefined ? '–' : (data.classes?.[answer] ?? `${answer}`);
  return {
    sample,
    before: named(before.answers[sample]),
    after: named(after.answers[sample]),
    ...(labels && { label: named(labels[sample]) }),
    picture: await pictureOf(data, sample),
  };
}
