/**
 * Memory that calibration needs, by the number of samples: it must not grow with them. Each row is a process of its own.
 *
 * Run      npm run build && node dist/bench/quantize/memory.js [--samples 100,10000] [--calibrate entropy …] [--json]
 * Prints   the most memory that the process held during calibration beyond what it held before, in MB
 */

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import type { Dataset } from '../../src/data/index.ts';
import { resnetCifar } from '../../src/nn/index.ts';
import { type CalibratorName, calibrators } from '../../src/quantize/calibrate/index.ts';
import { quantize } from '../../src/quantize/index.ts';
import { openEngine } from '../../src/runtime/index.ts';

const { values: flags } = parseArgs({
  options: {
    samples: { type: 'string', default: '100,10000' },
    calibrate: { type: 'string', multiple: true, default: Object.keys(calibrators) },
    json: { type: 'boolean', default: false },
    one: { type: 'boolean', default: false },
  },
});

/** Images that are drawn when they are asked for, all from the same few numbers: nothing is kept. */
function drawn(input: string, size: number): Dataset {
  const pixels = 3 * 32 * 32;
  const source = random(0, 'image');
  const pool = Float32Array.from({ length: 2 * pixels }, () => source.normal());
  return {
    name: 'drawn',
    size,
    task: 'unlabelled',
    inputs: { [input]: { dtype: 'float32', dims: [3, 32, 32] } },
    fill(_, indices, into) {
      for (const [i, index] of Array.from(indices).entries()) {
        const from = (index * 7919) % pixels;
        into.set(pool.subarray(from, from + pixels) as never, i * pixels);
      }
    },
  };
}

async function measured(samples: number, calibrate: CalibratorName) {
  using engine = await openEngine();
  const model = resnetCifar({ depth: 20 });
  const before = process.memoryUsage().rss;
  let most = before;
  const onProgress = (): void => {
    most = Math.max(most, process.memoryUsage().rss);
  };
  const started = performance.now();
  const data = drawn(model.graph.inputs[0]!.name, samples);
  await quantize(model, { data, samples, calibrate }, { engine, onProgress });
  return { calibrate, samples, megabytes: (most - before) / 2 ** 20, seconds: (performance.now() - started) / 1000 };
}
type Row = Awaited<ReturnType<typeof measured>>;

function inProcess(samples: string, calibrate: string): Row {
  const args = [import.meta.filename, '--one', '--samples', samples, '--calibrate', calibrate];
  return JSON.parse(
    spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).stdout,
  );
}

if (flags.one) {
  console.log(JSON.stringify(await measured(Number(flags.samples), flags.calibrate[0] as CalibratorName)));
} else {
  const rows: Row[] = [];
  for (const calibrate of flags.calibrate) {
    for (const samples of flags.samples.split(',')) {
      const row = inProcess(samples, calibrate);
      rows.push(row);
      if (!flags.json) {
        console.log(
          `${calibrate.padEnd(15)} ${samples.padStart(6)} samples: ${row.megabytes.toFixed(0)} MB more at most, ${row.seconds.toFixed(1)} s`,
        );
      }
    }
  }
  if (flags.json) console.log(JSON.stringify({ rows }));
}
