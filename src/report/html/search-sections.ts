/** The parts of a page that only a search has: trials, the claim, changed answers, fates of layers, tensors, graphs. */

import { showBytes, showMs, showShare, showTimes } from '../../base/unit.ts';
import type { Claim, LayerFate, SearchSummary, TensorSize, TrialPoint } from '../search.ts';
import { bars, pairs } from './bars.ts';
import { flipsGrid } from './flips.ts';
import { graphFigure } from './graph-rows.ts';
import { html, type Markup, none } from './markup.ts';
import { place } from './scale.ts';
import { type Dot, scatter } from './scatter.ts';

const showPoints = (share: number): string => `${Number((share * 100).toPrecision(3))} %`.replace('-', '−');

/** The recipe, the trials and the claim: what a reader wants first. */
export const searchTop = (search: SearchSummary): Markup => html`${claimCard(search.claim)}
${recipeList(search)}
${trialPlots(search)}`;

/** What changed, in detail. */
export const searchBottom = (search: SearchSummary): Markup => html`
${flipsGrid(search.flips, search.flipped, search.claim?.samples ?? 0)}
${fates(search.layers)}
${tensors(search.tensors)}
<h2>The graph</h2>
<div class="pair">${graphFigure('Before', search.graphs.before)}${graphFigure('After', search.graphs.after)}</div>`;

function claimCard(claim: Claim | undefined): Markup {
  if (!claim) return none;
  const { metric, drop, low, high, confidence, samples, lost, won, maxDrop, about, tooSmall } = claim;
  const holds = drop <= maxDrop;
  const isError = metric === 'rmse';
  const [least, most] = [Math.min(low, 0, drop), Math.max(high, maxDrop, drop) * 1.15];
  const at = (x: number): number => place(x, { low: least, high: most }, 0, 100);
  return html`<h2>The claim</h2>
<div class="card claim">
<p><b class="${holds ? 'good' : 'bad'}">${holds ? 'Within the bound' : 'Beyond the bound'}</b>: ${metric} ${changeInWords(drop, isError)}; with ${showShare(confidence, 0)} confidence ${intervalInWords(low, high)}. The bound is ${showShare(maxDrop)}.</p>
<svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="loss ${showShare(drop)}, interval ${showShare(low)} to ${showShare(high)}, bound ${showShare(maxDrop)}">
<rect width="100" height="10" class="track"/><rect x="${at(low)}" width="${at(high) - at(low)}" height="10" class="span"/>
<rect x="${at(0) - 0.05}" width="0.1" height="10" class="zero"/><rect x="${at(drop) - 0.2}" width="0.4" height="10" class="after"/><rect x="${at(maxDrop) - 0.1}" width="0.2" height="10" class="limit"/></svg>
<p class="legend">${Object.entries(MARKS).map(([mark, text]) => html`<span class="meaning"><span class="mark ${mark}"></span>${text}</span> `)}</p>
<p class="soft">${samples} evaluation samples that nothing was learnt, calibrated or chosen on; ${isError ? `${lost} got worse, ${won} better` : `${lost} were right and are wrong now, ${won} the other way round`}. What counts: ${about}.</p>
${tooSmall && html`<p class="bad">${tooSmall}.</p>`}
</div>`;
}

const MARKS = { span: 'where the loss lies', after: 'as measured', zero: 'no loss', limit: 'the bound' } as const;

/** A loss below 0 is a gain. */
const intervalInWords = (low: number, high: number): string =>
  high < 0
    ? `the gain lies between ${showShare(-high)} and ${showShare(-low)}`
    : `the loss lies between ${showShare(low)} and ${showShare(high)}`;

/** A drop is a rise of an error, and a fall of everything else. */
const changeInWords = (drop: number, isError: boolean): string =>
  drop === 0 ? 'is the same' : `${drop > 0 === isError ? 'rose' : 'fell'} by ${showShare(Math.abs(drop))}`;

const recipeList = ({ steps }: SearchSummary): Markup => html`<h2>The recipe</h2>
${
  steps.length === 0
    ? html`<p class="soft">Nothing that was tried is better within the budget: the model is the original.</p>`
    : html`<ol class="card recipe">${steps.map(
        ({ name, notes }) =>
          html`<li><b>${name}</b>${
            notes.length > 0 &&
            html`<span class="soft">${notes
              .slice(0, 6)
              .map((note) => note.replace(/\.$/, ''))
              .join('; ')}</span>`
          }</li>`,
      )}</ol>`
}`;

function trialPlots({ trials, claim, latency }: SearchSummary): Markup {
  if (trials.length < 2) return none;
  const points = (x: (trial: TrialPoint) => number): Dot[] =>
    trials.map((trial, i) => ({
      x: x(trial),
      y: trial.drop,
      label: trial.recipe,
      detail: `${showTimes(1 / trial.latencyRatio)} as fast, ${showBytes(trial.bytes)}, ${showPoints(Math.abs(trial.drop))} ${trial.drop < 0 ? 'gained' : 'lost'} on the search samples`,
      kind: trial.isChosen ? 'chosen' : i === 0 ? 'original' : trial.isFrontier ? 'frontier' : 'tried',
    }));
  const bound = claim && { y: claim.maxDrop, label: `bound ${showPoints(claim.maxDrop)}` };
  return html`<h2>Every trial</h2>
<p class="soft">What each of the ${trials.length} models lost on the search samples, over what it costs; lower and further left is better. Latency was ${latency}.</p>
<div class="plots">
${scatter(
  points(({ latencyRatio }) => latencyRatio),
  { title: 'Loss and latency', unit: 'time over the original’s', showX: showTimes, showY: showPoints, bound },
)}
${scatter(
  points(({ bytes }) => bytes),
  { title: 'Loss and size', unit: 'bytes of the file', showX: showBytes, showY: showPoints, bound },
)}
</div>`;
}

/** Layers that a chart shows. */
const MOST_BARS = 16;

function fates(layers: readonly LayerFate[]): Markup {
  if (layers.length === 0) return none;
  const timed = layers.filter(({ beforeMs, afterMs }) => beforeMs !== undefined || afterMs !== undefined);
  const heaviest = [...timed].sort((a, b) => (b.beforeMs ?? 0) - (a.beforeMs ?? 0)).slice(0, MOST_BARS);
  const ms = (value: number | undefined): string => (value === undefined ? '–' : showMs(value));
  return html`<h2>What became of the layers</h2>
<div class="charts">${
    heaviest.length > 0 &&
    pairs(
      'Time of one sample, by the engine’s profile',
      timed
        .filter((layer) => heaviest.includes(layer))
        .map(({ name, beforeMs, afterMs }) => ({
          name,
          ...(beforeMs !== undefined && { before: beforeMs }),
          ...(afterMs !== undefined && { after: afterMs }),
        })),
      showMs,
    )
  }${sensitivities(layers)}</div>
<details class="card"${layers.length <= 24 && OPEN}><summary>${layers.length} layers, and what was done</summary><div class="scroll"><table>
<thead><tr><th>layer</th><th class="left">op</th><th class="left">what was done</th><th>before</th><th>after</th></tr></thead>
<tbody>${layers.map(({ name, op, what, beforeMs, afterMs }) => html`<tr><td>${name}</td><td class="left">${op}</td><td class="left">${what}</td><td>${ms(beforeMs)}</td><td>${ms(afterMs)}</td></tr>\n`)}</tbody></table></div></details>`;
}

/** What integers cost each layer alone, the most sensitive first. */
function sensitivities(layers: readonly LayerFate[]): Markup {
  const known = layers.filter(({ sensitivity }) => sensitivity !== undefined);
  if (known.length === 0) return none;
  const rows = known
    .sort((a, b) => b.sensitivity! - a.sensitivity!)
    .slice(0, MOST_BARS)
    .map(({ name, sensitivity }) => ({ name, value: sensitivity!, shown: sensitivity!.toPrecision(2) }));
  return bars('Sensitivity to integers', 'what the answers move when the layer alone has them', rows, true);
}

const OPEN = html` open`;

function tensors({ before, after }: SearchSummary['tensors']): Markup {
  const total = (of: readonly TensorSize[]): number => of.reduce((sum, { bytes }) => sum + bytes, 0);
  const table = (title: string, all: readonly TensorSize[]): Markup => html`
<div class="card scroll"><table><thead><tr><th>${title}</th><th class="left">type</th><th>bytes</th><th>share</th></tr></thead>
<tbody>${[...all]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 12)
    .map(
      ({ name, dtype, dims, bytes }) =>
        html`<tr><td>${name}</td><td class="left">${dtype} ${dims}</td><td>${showBytes(bytes)}</td><td>${showShare(bytes / Math.max(1, total(all)), 1)}</td></tr>\n`,
    )}</tbody></table></div>`;
  return html`<h2>Size by tensor</h2>
<p class="soft">${before.length} tensors with ${showBytes(total(before))} before, ${after.length} with ${showBytes(total(after))} after; the twelve largest of each.</p>
<div class="pair">${table('before', before)}${table('after', after)}</div>`;
}
