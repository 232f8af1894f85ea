/**
 * Memory that calibration needs, by the number of samples: it must not grow with them.
 *
 * Run      npm run build && node --expose-gc dist/bench/quantize/memory.js [--samples 100,10000] [--calibrate entropy] [--json]
 * Prints   the most memory that the process held during calibration beyond what it held before, in MB
 */

import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import type { Dataset } from '../../src/data/index.ts';
import { resnetCifar } from '../../src/nn/index.ts';
import { type CalibratorName, quantize } from '../../src/quantize/index.ts';
import { openEngine } from '../../src/runtime/index.ts';

const { values: flags } = parseArgs({
  options: {
    samples: { type: 'string', default: '100,10000' },
    calibrate: { type: 'string', default: 'entropy' },
    json: { type: 'boolean', default: false },
  },
});
using engine = await openEngine();
const model = resnetCifar({ depth: 20 });
const [[input]] = model.graph.inputs.map(({ name }) => [name]) as [[string]];

/** Images that are drawn when they are asked for: nothing is kept. */
const drawn = (size: number): Dataset => ({
  name: 'drawn',
  size,
  task: 'unlabelled',
  inputs: { [input]: { dtype: 'float32', dims: [3, 32, 32] } },
  fill(_, indices, into) {
    const source = random(indices[0]!, 'image');
    for (let i = 0; i < into.length; i++) into[i] = source.normal();
  },
});

const rows = [];
for (const samples of flags.samples.split(',').map(Number)) {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let most = before;
  const onProgress = (): void => {
    most = Math.max(most, process.memoryUsage().rss);
  };
  const started = performance.now();
  await quantize(
    model,
    { data: drawn(samples), samples, calibrate: flags.calibrate as CalibratorName },
    { engine, onProgress },
  );
  const row = { samples, megabytes: (most - before) / 2 ** 20, seconds: (performance.now() - started) / 1000 };
  rows.push(row);
  if (!flags.json) {
    console.log(`${samples} samples: ${row.megabytes.toFixed(0)} MB more at most, ${row.seconds.toFixed(1)} s`);
  }
}
if (flags.json) console.log(JSON.stringify({ calibrate: flags.calibrate, rows }));
