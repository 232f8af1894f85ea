/**
 * What `pare optimize` makes of trained networks: speed-up, size, drop on untouched samples, and the time it took.
 *
 * Run      npm run build && node dist/bench/accuracy/optimize/main.js [--only NAME]… [--time 120] [--threads 1] [--clock cpu] [--out FILE]
 * Data     $PARE_DATA or ../shared/data
 * Drop     with labels (seedCnn) points of accuracy, at most 0.5; without, the share of changed answers, at most 2 %
 * Beside   the fastest and the smallest that one method alone (with its learning) reached in the same search, within the bound
 * Clock    with `--clock cpu` the time of a search is that of the processor: on a busy machine, with one thread, about what a quiet one takes
 * Time     one sample on one thread, original and result in turn: the median of the ratios
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { showShare } from '../../../src/base/unit.ts';
import { writeModel } from '../../../src/onnx/index.ts';
import { engineStopwatch, optimize, type Trial } from '../../../src/optimize/index.ts';
import { describeSteps } from '../../../src/recipe/index.ts';
import { type Lab, openEngine } from '../../../src/runtime/index.ts';
import { workloads } from './workloads.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    time: { type: 'string', default: '120' },
    threads: { type: 'string' },
    clock: { type: 'string', default: 'wall' },
    out: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});

interface Row {
  readonly name: string;
  readonly faster: number;
  readonly smaller: number;
  readonly drop: number;
  readonly samples: number;
  readonly interval: readonly [number, number];
  readonly seconds: number;
  readonly trials: number;
  readonly recipe: string;
  readonly missed: readonly string[];
  /** The best that one method alone reached within the bound on the search samples, for speed and for size; learning belongs to any method. */
  readonly single: { readonly faster: number; readonly smaller: number };
}

/** Steps that belong to any method: what they do is exact, or learning. */
const SHARED = new Set(['simplify', 'distill']);

const isSingle = ({ calls }: Trial): boolean =>
  new Set(calls.map(({ step }) => step).filter((step) => !SHARED.has(step))).size <= 1;

const engine = await openEngine(flags.threads ? { threads: Number(flags.threads) } : {});
const lab: Lab = { engine, seed: 0, ...(flags.verbose && { onNote: (note: string) => console.error(`  ${note}`) }) };
/** What the time budget counts: seconds by the clock, or of this process on the processor where others keep it busy. */
const clocks = {
  wall: () => performance.now(),
  cpu: () => (process.cpuUsage().user + process.cpuUsage().system) / 1000,
};
const rows: Row[] = [];
for (const [name, { maxDrop, open }] of Object.entries(workloads)) {
  if (flags.only && !flags.only.includes(name)) continue;
  const { model, data } = await open(lab);
  const found = await optimize(
    model,
    {
      data,
      budget: { maxDrop, timeMs: Number(flags.time) * 1000 },
      now: clocks[flags.clock as keyof typeof clocks],
      onTrial: ({ calls, drop, latencyRatio, bytes, seconds }) => {
        if (!flags.verbose) return;
        console.error(
          `  ${latencyRatio.toFixed(3)} ${bytes} ${showShare(drop)} ${seconds.toFixed(1)} s  ${describeSteps(calls)}`,
        );
      },
    },
    lab,
  );
  const [, latency] = await engineStopwatch(lab).time([model, found.model], 41);
  const { evidence, trials, chosen, seconds, missed } = found;
  const singles = trials.filter((trial) => isSingle(trial) && trial.drop <= maxDrop);
  rows.push({
    name,
    faster: 1 / latency!.ratio,
    smaller: writeModel(model).length / writeModel(found.model).length,
    drop: evidence!.drop,
    samples: evidence!.change.samples,
    interval: [evidence!.change.interval.low, evidence!.change.interval.high],
    seconds,
    trials: trials.length,
    recipe: describeSteps(chosen.calls),
    missed,
    single: {
      faster: Math.max(...singles.map(({ latencyRatio }) => 1 / latencyRatio)),
      smaller: Math.max(...singles.map(({ bytes }) => writeModel(model).length / bytes)),
    },
  });
  const row = rows.at(-1)!;
  console.log(
    `| ${row.name} | ${row.faster.toFixed(2)}x | ${row.smaller.toFixed(2)}x | ${showShare(row.drop)} of ${row.samples} (${showShare(row.interval[0])} to ${showShare(row.interval[1])}) | ${row.seconds.toFixed(0)} s, ${row.trials} trials | ${row.recipe} (one method: ${row.single.faster.toFixed(2)}x, ${row.single.smaller.toFixed(2)}x)${missed.length ? ` MISSED ${missed.join('; ')}` : ''} |`,
  );
  if (flags.out) writeFileSync(flags.out, JSON.stringify(rows, null, 1));
}
const mean = (of: (row: Row) => number): string =>
  Math.exp(rows.reduce((sum, row) => sum + Math.log(of(row)), 0) / rows.length).toFixed(2);
console.log(`| geometric mean | ${mean(({ faster }) => faster)}x | ${mean(({ smaller }) => smaller)}x | | | |`);
engine[Symbol.dispose]();
