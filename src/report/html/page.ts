/** A summary as one self-contained page: no script, nothing from the network, opens from disk. */

import { showBytes, showCount, showMs, showShare, showTimes } from '../../base/unit.ts';
import type { LayerChange } from '../layers.ts';
import { batchesOf, gainOf, isShare, type Step, type Summary } from '../summary.ts';
import { showMetric, showSeconds } from '../summary-table.ts';
import type { Column, Table } from '../table.ts';
import { bars, dots, pairs } from './bars.ts';
import { lines } from './lines.ts';
import { html, type Markup, none } from './markup.ts';
import { searchBottom, searchTop } from './search-sections.ts';
import { stepsTable } from './steps-table.ts';
import { STYLE } from './style.ts';

/** Charts show the layers that weigh most; the table beneath them shows all. */
const MOST_LAYERS = 16;

/**
 * The report of a run as an HTML document.
 *
 * Everything in the summary is escaped. The document's own policy forbids scripts and every request.
 */
export function htmlReport(summary: Summary): string {
  const { title, data, steps, notes } = summary;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; ${summary.search && 'img-src data:; '}style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="generator" content="Pare ${summary.versions['pare'] ?? ''}">
<title>${title} · Pare report</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">Pare report</p>
<h1>${title}</h1>
<p class="soft">${data && `Scored on ${data}.`}</p>
</header>
${tiles(steps)}
${summary.search && searchTop(summary.search)}
<h2>Steps</h2>
${stepsTable(steps)}
${stepCharts(steps)}
${curves(summary)}
${summary.tables && done(summary.tables)}
${layers(summary.layers)}
${summary.search && searchBottom(summary.search)}
${notes.length > 0 && html`<h2>Notes</h2>\n<ul class="card notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
${origin(summary)}
<footer>Sizes are of the written files with their external data. Latencies are medians of interleaved runs on the machine above; ratios are medians over the rounds of those runs.</footer>
</main>
</body>
</html>
`;
  return page.markup.replace(/\n{2,}/g, '\n');
}

function tiles(steps: readonly Step[]): Markup {
  const gain = gainOf(steps);
  const [first, last] = [steps[0]!, steps.at(-1)!];
  const tile = (figure: string, what: string, detail: string, isBad = false): Markup => html`
<div class="card tile${isBad && ' bad'}"><b>${figure} <small>${what}</small></b><span>${detail}</span></div>`;
  if (!gain) {
    return html`<div class="tiles">
${tile(showBytes(last.bytes), '', 'file')}${tile(showCount(last.parameters), '', 'parameters')}${tile(showCount(last.macs), '', 'MACs per sample')}
${last.metric && tile(showMetric(last.metric), '', last.metric.name)}</div>`;
  }
  const { smaller, faster, dropPoints } = gain;
  return html`<div class="tiles">
${tile(...times(smaller, 'smaller', 'larger', 'size', ROUNDING), `${showBytes(first.bytes)} → ${showBytes(last.bytes)}`, smaller < 1 - ROUNDING)}
${faster.map(({ batch, times: gained }) => {
  const key = `batch${batch}` as const;
  const detail = `batch ${batch}: ${showMs(first.latencyMs[key]!)} → ${showMs(last.latencyMs[key]!)}`;
  return tile(...times(gained, 'faster', 'slower', 'speed', NOISE), detail, gained < 1 - NOISE);
})}
${
  dropPoints !== undefined &&
  tile(
    ...points(dropPoints, last.metric!.name),
    `${last.metric!.name} ${showMetric(first.metric!)} → ${showMetric(last.metric!)}`,
    dropPoints > 1,
  )
}</div>`;
}

/** What two digits cannot tell from 1, and what timing cannot. */
const [ROUNDING, NOISE] = [0.005, 0.03];

/** "4.00x" and "smaller", or "Same" and "size" within `most`. */
function times(gained: number, better: string, worse: string, what: string, most: number): [string, string] {
  if (Math.abs(gained - 1) <= most) return ['Same', what];
  return gained > 1 ? [showTimes(gained), better] : [showTimes(1 / gained), worse];
}

/** "0.50" and "points lost", or "Same" and what is scored. */
function points(lost: number, metric: string): [string, string] {
  const shown = Math.abs(lost).toFixed(2);
  return shown === '0.00' ? ['Same', metric] : [shown, lost < 0 ? 'points gained' : 'points lost'];
}

function stepCharts(steps: readonly Step[]): Markup {
  if (steps.length < 2) return none;
  const rows = (value: (step: Step) => number | undefined, show: (value: number) => string) =>
    steps.flatMap((step) => {
      const x = value(step);
      return x === undefined ? [] : [{ name: step.name, value: x, shown: show(x) }];
    });
  const scored = steps.find(({ metric }) => metric)?.metric;
  const metricRows = rows(
    ({ metric }) => (metric?.name === scored?.name ? metric?.value : undefined),
    (value) => showMetric({ name: scored!.name, value }),
  );
  const percent = scored && isShare(scored);
  return html`<h2>Step by step</h2>
<div class="charts">
${bars(
  'File size',
  'with external data',
  rows(({ bytes }) => bytes, showBytes),
)}
${batchesOf(steps).map((batch) =>
  bars(
    'Latency',
    `batch ${batch}, per run`,
    rows(({ latencyMs }) => latencyMs[`batch${batch}`], showMs),
  ),
)}
${metricRows.length > 0 && dots(capital(scored!.name), percent ? 'share of samples' : '', metricRows, (x) => (percent ? showPercent(x) : x.toPrecision(3)))}
${bars(
  'Multiply-accumulates',
  'per sample',
  rows(({ macs }) => macs, showCount),
)}
${bars(
  'Parameters',
  '',
  rows(({ parameters }) => parameters, showCount),
)}
</div>`;
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

function curves({ curves: all }: Summary): Markup {
  const drawn = all.filter(({ epochs }) => epochs.length > 0);
  if (drawn.length === 0) return none;
  return html`<h2>Training</h2>
<div class="charts">
${drawn.map(({ step, epochs }) => {
  const metric = epochs.find((epoch) => epoch.metric)?.metric;
  const share = metric && isShare(metric);
  return lines(capital(step), [
    { name: 'loss', values: epochs.map(({ loss }) => loss), show: showNumber },
    ...(metric
      ? [
          {
            name: metric.name,
            values: epochs.map((epoch) => epoch.metric?.value ?? Number.NaN),
            show: (x: number) => (share ? showShare(x) : showNumber(x)),
            tick: (x: number) => (share ? showPercent(x) : showNumber(x)),
          },
        ]
      : []),
  ]);
})}
</div>`;
}

/** 0.985 → "98.5 %", 0.98 → "98 %". */
const showPercent = (share: number): string => `${Number((share * 100).toPrecision(4))} %`;
const showNumber = (x: number): string => `${Number(x.toPrecision(3))}`;

function layers(all: readonly LayerChange[]): Markup {
  if (all.length === 0) return none;
  const weight = ({ before, after }: LayerChange): number => (before?.bytes ?? 0) + (after?.bytes ?? 0);
  const heaviest = new Set([...all].sort((a, b) => weight(b) - weight(a)).slice(0, MOST_LAYERS));
  const shown = all.filter((layer) => heaviest.has(layer));
  const chart = (title: string, key: 'bytes' | 'parameters' | 'macs', show: (value: number) => string): Markup =>
    pairs(
      title,
      shown.map(({ name, before, after }) => ({
        name,
        ...(before && { before: before[key] }),
        ...(after && { after: after[key] }),
      })),
      show,
    );
  const cells = (key: 'bytes' | 'parameters' | 'macs', show: (value: number) => string) => (layer: LayerChange) =>
    html`<td>${layer.before ? show(layer.before[key]) : '–'}</td><td>${layer.after ? show(layer.after[key]) : '–'}</td>`;
  const [parameters, macs, bytes] = [
    cells('parameters', showCount),
    cells('macs', showCount),
    cells('bytes', showBytes),
  ];
  return html`<h2>Layers</h2>
<div class="charts">
${chart('Weight bytes', 'bytes', showBytes)}
${chart('Multiply-accumulates', 'macs', showCount)}
${chart('Parameters', 'parameters', showCount)}
</div>
<details class="card"><summary>${all.length > shown.length ? `All ${all.length} layers as a table; the charts show the ${shown.length} heaviest` : 'As a table'}</summary>
<div class="scroll"><table>
<thead><tr><th>layer</th><th class="left">op</th><th>parameters</th><th>after</th><th>MACs</th><th>after</th><th>bytes</th><th>after</th></tr></thead>
<tbody>${all.map((layer) => html`<tr><td>${layer.name}</td><td class="left">${layer.op}</td>${parameters(layer)}${macs(layer)}${bytes(layer)}</tr>\n`)}</tbody>
</table></div></details>`;
}

function done(tables: readonly Table[]): Markup {
  const shown = tables.filter(({ rows }) => rows.length > 0);
  if (shown.length === 0) return none;
  return html`<h2>What was done</h2>
<div class="stack">${shown.map(({ columns, rows }) => {
    const used = columns.flatMap((column, i) => (rows.some((row) => row[i]) ? [{ ...column, i }] : []));
    const left = (align?: Column['align']): Markup => (align === 'left' ? html` class="left words"` : none);
    const body = html`<div class="scroll"><table>
<thead><tr>${used.map(({ title, align }) => html`<th${left(align)}>${title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${used.map(({ i, align }) => html`<td${left(align)}>${row[i]}</td>`)}</tr>\n`)}</tbody>
</table></div>`;
    return rows.length > MOST_LAYERS
      ? html`<details class="card"><summary>${used[0]!.title}: ${rows.length}</summary>\n${body}</details>`
      : html`<div class="card">${body}</div>`;
  })}</div>`;
}

function origin({ machine, versions, seed, command, steps }: Summary): Markup {
  const took = steps.reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['processor', machine.cpu],
    ['cores', machine.cores === undefined ? undefined : `${machine.cores}`],
    ['memory', machine.memoryBytes === undefined ? undefined : showBytes(machine.memoryBytes)],
    ['platform', machine.platform],
    ['engine', machine.engine && `ONNX Runtime, ${machine.engine}${machine.device ? `, ${machine.device}` : ''}`],
    ...Object.entries(versions),
    ['seed', `${seed}`],
    ['took', took > 0 ? showSeconds(took) : undefined],
  ];
  return html`<h2>Machine, versions, and how to do it again</h2>
<div class="pair">
<dl class="card">${facts.flatMap(([name, value]) => (value ? [html`<dt>${name}</dt><dd>${value}</dd>`] : []))}</dl>
${command && html`<pre class="card"><code>${command.split(' ').map((word, i) => html`${i > 0 && ' '}<span>${word}</span>`)}</code></pre>`}
</div>`;
}
