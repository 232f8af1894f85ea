/** The table of steps: each figure with its ratio to the first step beneath it. */

import { showBytes, showCount, showMs, showTimes } from '../../base/unit.ts';
import { batchesOf, isShare, type Step } from '../summary.ts';
import { showMetric, showSeconds } from '../summary-table.ts';
import { html, type Markup } from './markup.ts';

export function stepsTable(steps: readonly Step[]): Markup {
  const batches = batchesOf(steps);
  const [first] = steps;
  const metric = steps.find((step) => step.metric)?.metric?.name;
  const hasSeconds = steps.some(({ seconds }) => seconds !== undefined);
  const cell = (shown: string, note?: string): Markup => html`<td>${shown}${note && html`<small>${note}</small>`}</td>`;
  const row = (step: Step, i: number): Markup => {
    const times = (before: number, now: number, better: string, worse: string): string | undefined => {
      if (i === 0 || !(before > 0 && now > 0)) return undefined;
      if (Math.abs(now / before - 1) <= 0.005) return undefined;
      return now < before ? `${showTimes(before / now)} ${better}` : `${showTimes(now / before)} ${worse}`;
    };
    return html`<tr${i === steps.length - 1 && LAST}><th scope="row">${step.name}</th>
${metric && cell(step.metric ? showMetric(step.metric) : '–', i > 0 ? dropOf(first!, step) : undefined)}
${cell(showBytes(step.bytes), times(first!.bytes, step.bytes, 'smaller', 'larger'))}
${cell(showCount(step.parameters), times(first!.parameters, step.parameters, 'fewer', 'more'))}
${cell(showCount(step.macs), times(first!.macs, step.macs, 'fewer', 'more'))}
${batches.map((batch) => {
  const [ms, ratio] = [step.latencyMs[`batch${batch}`], step.latencyRatio?.[`batch${batch}`]];
  return cell(
    ms === undefined ? '–' : showMs(ms),
    ratio === undefined ? undefined : times(1, ratio, 'faster', 'slower'),
  );
})}
${hasSeconds && cell(step.seconds === undefined ? '' : showSeconds(step.seconds))}</tr>
`;
  };
  return html`<div class="card scroll"><table>
<thead><tr><th scope="col">step</th>${metric && html`<th scope="col">${metric}</th>`}<th scope="col">size</th><th scope="col">parameters</th><th scope="col">MACs</th>${batches.map((batch) => html`<th scope="col">latency, batch ${batch}</th>`)}${hasSeconds && html`<th scope="col">took</th>`}</tr></thead>
<tbody>
${steps.map(row)}</tbody>
</table></div>`;
}

const LAST = html` class="last"`;

const dropOf = (first: Step, step: Step): string | undefined => {
  if (!first.metric || !step.metric || first.metric.name !== step.metric.name || !isShare(step.metric))
    return undefined;
  const points = (step.metric.value - first.metric.value) * 100;
  if (Math.abs(points) < 0.005) return undefined;
  return `${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(2)} points`;
};
