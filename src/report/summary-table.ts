/** A summary as words and numbers with units: the rows that the terminal and the page both show. */

import { showBytes, showCount, showMs, showShare, showTimes } from '../base/unit.ts';
import type { Metric } from './evaluate.ts';
import { batchesOf, type Gain, gainOf, isShare, type Step, type Summary } from './summary.ts';
import { type Column, type Paint, plain, table } from './table.ts';

/** "98.76 %", or the number in the target's own units. */
export const showMetric = (metric: Metric): string =>
  isShare(metric) ? showShare(metric.value) : metric.value.toPrecision(4);

export const showSeconds = (seconds: number): string =>
  seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;

/** "8.1x smaller", "1.3x larger" where it went the wrong way, and "as large" where two digits tell no difference. */
const showGain = (times: number, better: string, worse: string, same: string): string => {
  if (times > 0.995 && times < 1.005) return same;
  return times > 1 ? `${showTimes(times)} ${better}` : `${showTimes(1 / times)} ${worse}`;
};

/** "0.42 points lost", "0.10 points gained", "nothing lost". */
export const showDrop = (points: number): string => {
  const size = Math.abs(points).toFixed(2);
  if (size === '0.00') return 'nothing lost';
  return `${size} points ${points > 0 ? 'lost' : 'gained'}`;
};

/** One sentence: "9.8x smaller, 4.2x faster (batch 1), 5.0x faster (batch 32), 0.30 points lost". */
export const showGains = ({ smaller, faster, dropPoints }: Gain): string =>
  [
    showGain(smaller, 'smaller', 'larger', 'as large'),
    ...faster.map(({ batch, times }) => `${showGain(times, 'faster', 'slower', 'as fast')} (batch ${batch})`),
    ...(dropPoints === undefined ? [] : [showDrop(dropPoints)]),
  ].join(', ');

/** Titles of the table of steps, and its cells. */
function stepCells(steps: readonly Step[]): { columns: Column[]; rows: string[][] } {
  const batches = batchesOf(steps);
  const metric = steps.find((step) => step.metric)?.metric?.name ?? 'metric';
  const isMixed = steps.some((step) => step.metric && step.metric.name !== metric);
  const columns: Column[] = [
    { title: 'step', align: 'left' },
    { title: isMixed ? 'metric' : metric },
    { title: 'size' },
    { title: '' },
    { title: 'parameters' },
    { title: 'MACs' },
    ...batches.flatMap((batch): Column[] => [{ title: `latency b${batch}` }, { title: '' }]),
    { title: 'took' },
  ];
  const [first] = steps;
  const rows = steps.map((step, i) => [
    step.name,
    step.metric ? `${showMetric(step.metric)}${isMixed ? ` ${step.metric.name}` : ''}` : '',
    showBytes(step.bytes),
    i > 0 ? showTimes(first!.bytes / step.bytes) : '',
    showCount(step.parameters),
    showCount(step.macs),
    ...batches.flatMap((batch) => {
      const [ms, ratio] = [step.latencyMs[`batch${batch}`], step.latencyRatio?.[`batch${batch}`]];
      return [ms === undefined ? '' : showMs(ms), i > 0 && ratio !== undefined ? showTimes(1 / ratio) : ''];
    }),
    step.seconds === undefined ? '' : showSeconds(step.seconds),
  ]);
  return { columns, rows };
}

/** The whole summary for a terminal: title, steps with their ratios to the first, gains, and the notes that were not `told` before. */
export function summaryTable(summary: Summary, paint: Paint = plain, told: readonly string[] = []): string {
  const { columns, rows } = stepCells(summary.steps);
  const gain = gainOf(summary.steps);
  return [
    paint('bold', summary.title) + (summary.data ? paint('dim', `  ${summary.data}`) : ''),
    '',
    table(columns, rows, paint),
    ...(gain ? ['', paint('green', showGains(gain))] : []),
    ...summary.notes.filter((note) => !told.includes(note)).map((note) => paint('dim', `note: ${note}`)),
  ].join('\n');
}
