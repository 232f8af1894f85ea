/**
 * An epoch over a data set that does not fit into the memory allowed: a folder of .npy files, written here and removed again.
 * Prints the set's size and the process's peak resident memory. `-- --gigabytes 2 --limit 500 --json`; exits 1 above the limit.
 */

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openData } from '../../src/data/index.ts';
import { mlp } from '../../src/nn/index.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { fit } from '../../src/train/index.ts';

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '2' },
    /** Megabytes of resident memory. */
    limit: { type: 'string', default: '500' },
    json: { type: 'boolean', default: false },
  },
});
const WIDTH = 4096;
const REPEATED = 640;
const rows = Math.round((Number(values.gigabytes) * 2 ** 30) / (4 * WIDTH));
const folder = mkdtempSync(join(tmpdir(), 'pare-streaming-'));

/** NumPy's header, version 1.0, then the rows that `row` makes. */
function writeNpy(name: string, type: string, dims: string, row: (i: number) => Uint8Array): void {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length & 255, padded.length >> 8]);
  const file = openSync(join(folder, name), 'w');
  writeSync(file, Buffer.concat([head, Buffer.from(padded)]));
  // The same few rows again and again, many at a time: what is measured is reading.
  const many = Buffer.concat(Array.from({ length: REPEATED }, (_, i) => row(i)));
  for (let i = 0; i < rows; i += REPEATED)
    writeSync(file, many, 0, (many.length / REPEATED) * Math.min(REPEATED, rows - i));
  closeSync(file);
}

try {
  const sample = new Float32Array(WIDTH);
  writeNpy('x_train.npy', '<f4', `${rows}, ${WIDTH}`, (i) => {
    for (let k = 0; k < WIDTH; k++) sample[k] = Math.sin(i * 31.7 + k) + (k % 10 === i % 10 ? 1 : 0);
    return new Uint8Array(sample.slice().buffer);
  });
  writeNpy('y_train.npy', '<i4', `${rows},`, (i) => new Uint8Array(Int32Array.of(i % 10).buffer));
  const engine = await openEngine({ threads: 2 });
  const { train } = await openData(folder);
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const model = mlp({ input: [WIDTH], units: [64], classes: 10 });
  const began = performance.now();
  const { report } = await fit(model, train, { epochs: 1, batch: 64 }, { engine });
  clearInterval(watch);
  const megabytes = Math.max(peak / 1e6, process.resourceUsage().maxRSS / 1e3);
  const result = {
    dataBytes: rows * WIDTH * 4,
    samples: rows,
    peakMegabytes: Math.round(megabytes),
    seconds: (performance.now() - began) / 1000,
    loss: report.epochs[0]!.loss,
  };
  engine[Symbol.dispose]();
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else
    process.stdout.write(
      `${(result.dataBytes / 1e9).toFixed(2)} GB streamed in ${result.seconds.toFixed(1)} s; peak memory ${result.peakMegabytes} MB; loss ${result.loss.toFixed(3)}\n`,
    );
  process.exitCode = megabytes > Number(values.limit) ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
