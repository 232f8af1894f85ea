/**
 * What `pare optimize` makes of trained networks: speed-up, size, drop on untouched samples, and the time it took.
 *
 * Run      npm run build && PARE_PYTHON=venv/bin/python node dist/bench/accuracy/optimize/main.js [--only NAME]… [--time 120] [--threads 1]
 *          [--clock cpu] [--out FILE] [--verbose]
 * Data     $PARE_DATA or ../shared/data
 * Drop     with labels points of accuracy, at most 0.5; without, the share of changed answers, at most 2 %
 * Beside   the best single method (with its learning) of the same search that holds the bound on the same samples, and ONNX Runtime's
 *          static int8 (per channel, QDQ); "beyond" where that loses more than the bound
 * Clock    with `--clock cpu` the time of a search is that of the processor: on a busy machine, with one thread, about what a quiet one takes
 * Time     one sample on one thread, all models in turn: the fastest of the rounds
 * Timing   how much of the search went into measuring latencies of whole models
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isWithin, showShare } from '../../../src/base/unit.ts';
import type { Model } from '../../../src/graph/model.ts';
import { prepareData } from '../../../src/optimize/bench.ts';
import { engineStopwatch, memoryJournal, optimize, type Stopwatch } from '../../../src/optimize/index.ts';
import { describeSteps } from '../../../src/recipe/index.ts';
import { type Lab, openEngine } from '../../../src/runtime/index.ts';
import { bestSingle, byOnnxRuntime, type Rival, sizeOf } from './rivals.ts';
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

interface Figures {
  readonly faster: number;
  readonly smaller: number;
  readonly drop: number;
}

interface Row extends Figures {
  readonly name: string;
  readonly maxDrop: number;
  readonly samples: number;
  readonly interval: readonly [number, number];
  readonly seconds: number;
  readonly timingSeconds: number;
  readonly trials: number;
  readonly recipe: string;
  readonly missed: readonly string[];
  readonly single?: Figures | undefined;
  readonly onnxruntime: Figures | string;
}

/** What the time budget counts: seconds by the clock, or of this process on the processor where others keep it busy. */
const clocks = {
  wall: () => performance.now(),
  cpu: () => (process.cpuUsage().user + process.cpuUsage().system) / 1000,
};
const now = clocks[flags.clock as keyof typeof clocks];

const engine = await openEngine(flags.threads ? { threads: Number(flags.threads) } : {});
const lab: Lab = { engine, seed: 0, ...(flags.verbose && { onNote: (note: string) => console.error(`  ${note}`) }) };
const quiet: Lab = { engine, seed: 0 };
const rows: Row[] = [];
for (const [name, { maxDrop, open }] of Object.entries(workloads)) {
  if (flags.only && !flags.only.includes(name)) continue;
  const { model, data } = await open(lab);
  const started = now();
  const journal = memoryJournal();
  const timer = timed(engineStopwatch(lab));
  const found = await optimize(
    model,
    {
      data,
      journal,
      now,
      stopwatch: timer.stopwatch,
      budget: { maxDrop, timeMs: Number(flags.time) * 1000 },
      onTrial: ({ calls, drop, latencyRatio, bytes, seconds }) => {
        if (!flags.verbose) return;
        console.error(
          `  ${latencyRatio.toFixed(3)} ${bytes} ${showShare(drop)} ${seconds.toFixed(1)} s  ${describeSteps(calls)}`,
        );
      },
    },
    lab,
  );
  const seconds = (now() - started) / 1000;
  const { bench, parts } = await prepareData(model, data, quiet);
  const single = await bestSingle(model, found, parts!, maxDrop, ({ key }) => journal.model(key), quiet);
  const peer = await byOnnxRuntime(model, bench.learn!, found, quiet);
  const rivals = [single, peer].filter((rival): rival is Rival => typeof rival === 'object');
  const models = [model, found.model, ...rivals.map((rival) => rival.model)];
  const latencies = await engineStopwatch(quiet).time(models, 41);
  const figures = (made: Model, drop: number): Figures => ({
    faster: 1 / latencies[models.indexOf(made)]!.ratio,
    smaller: sizeOf(model) / sizeOf(made),
    drop,
  });
  const { evidence, trials, chosen, missed } = found;
  const { samples, interval } = evidence!.change;
  rows.push({
    ...{ name, maxDrop, samples, seconds, missed },
    ...figures(found.model, evidence!.drop),
    interval: [interval.low, interval.high],
    timingSeconds: timer.seconds(),
    trials: trials.length,
    recipe: describeSteps(chosen.calls),
    single: single && figures(single.model, single.drop),
    onnxruntime: typeof peer === 'string' ? peer : figures(peer.model, peer.drop),
  });
  console.log(lineOf(rows.at(-1)!));
  if (flags.out) writeFileSync(flags.out, JSON.stringify(rows, null, 1));
}
const mean = (of: (row: Row) => number): string =>
  Math.exp(rows.reduce((sum, row) => sum + Math.log(of(row)), 0) / rows.length).toFixed(2);
console.log(`| geometric mean | ${mean(({ faster }) => faster)}x | ${mean(({ smaller }) => smaller)}x | | | | |`);
engine[Symbol.dispose]();

function lineOf(row: Row): string {
  const told = ({ faster, smaller, drop }: Figures): string =>
    `${faster.toFixed(2)}x, ${smaller.toFixed(2)}x at ${showShare(drop)}${isWithin(drop, row.maxDrop) ? '' : ' (beyond)'}`;
  const cells = [
    row.name,
    `${row.faster.toFixed(2)}x`,
    `${row.smaller.toFixed(2)}x`,
    `${showShare(row.drop)} of ${row.samples} (${row.interval.map((share) => showShare(share)).join(' to ')})`,
    row.single ? told(row.single) : 'none',
    typeof row.onnxruntime === 'string' ? row.onnxruntime : told(row.onnxruntime),
    `${row.seconds.toFixed(0)} s (${row.timingSeconds.toFixed(0)} s timing), ${row.trials} trials: ${row.recipe}`,
    ...(row.missed.length > 0 ? [`MISSED ${row.missed.join('; ')}`] : []),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** A stopwatch that counts what it takes itself. */
function timed(stopwatch: Stopwatch): { stopwatch: Stopwatch; seconds: () => number } {
  let spent = 0;
  return {
    seconds: () => spent / 1000,
    stopwatch: {
      ...stopwatch,
      async time(models, rounds) {
        const from = now();
        const latencies = await stopwatch.time(models, rounds);
        spent += now() - from;
        return latencies;
      },
    },
  };
}
