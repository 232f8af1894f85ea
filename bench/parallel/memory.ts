/**
 * Peak memory of each process of `pare train` on the seed network at 224 × 224 (45 million weights, Adam, batch 8): one process
 * alone, 2 pipeline stages, and layers split over 2 ranks.   `-- --only one,stages,tensor --json`
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { showBytes } from '../../src/base/unit.ts';
import { seedCnn } from '../../src/nn/index.ts';
import { writeModelFile } from '../../src/onnx/index.ts';

const WAYS: Readonly<Record<string, readonly string[]>> = {
  one: ['--replicas', '1'],
  stages: ['--ranks', '2', '--stages', '2'],
  tensor: ['--ranks', '2', '--tensor', '2'],
};
const SAMPLES = 32;
const BATCH = 8;
const SIZE = 224;
const CLASSES = 1000;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(WAYS).join(',') },
    json: { type: 'boolean', default: false },
  },
});

/** The IDX format: two zero bytes, the type (8: bytes), the number of axes, their lengths, the values. */
const idx = (dims: readonly number[], values: Uint8Array): Buffer => {
  const head = Buffer.alloc(4 + 4 * dims.length);
  head.set([0, 0, 8, dims.length]);
  dims.forEach((dim, i) => {
    head.writeUInt32BE(dim, 4 + 4 * i);
  });
  return Buffer.concat([head, values]);
};

const folder = mkdtempSync(join(tmpdir(), 'pare-memory-'));
const source = random(1, 'memory');
const bytes = (length: number, most: number): Uint8Array => Uint8Array.from({ length }, () => source.integer(most));
const data = join(folder, 'data');
mkdirSync(data);
const pictures = [SAMPLES, SIZE, SIZE, 3];
writeFileSync(join(data, 'train-images-idx4-ubyte'), idx(pictures, bytes(SAMPLES * SIZE * SIZE * 3, 256)));
writeFileSync(join(data, 'train-labels-idx1-ubyte'), idx([SAMPLES], bytes(SAMPLES, 255)));
const model = join(folder, 'seed.onnx');
await writeModelFile(model, seedCnn({ input: [3, SIZE, SIZE], classes: CLASSES }));

const here = fileURLToPath(new URL('.', import.meta.url));
const results: { name: string; peaks: number[]; loss: number; share?: number }[] = [];
try {
  for (const name of values.only.split(',')) {
    const peaks = join(folder, name);
    mkdirSync(peaks);
    const words = ['train', model, '--data', data, '--layout', 'nhwc', '--batch', `${BATCH}`, '--epochs', '1'];
    const ended = spawnSync(
      process.execPath,
      [
        join(here, '../../cli/main.js'),
        ...words,
        ...WAYS[name]!,
        '--out',
        join(peaks, 'out.onnx'),
        '--json',
        '--quiet',
      ],
      {
        encoding: 'utf8',
        env: { ...process.env, PARE_PEAK: peaks, NODE_OPTIONS: `--import=${join(here, 'peak.js')}` },
        maxBuffer: 2 ** 26,
      },
    );
    if (ended.status !== 0) throw new Error(`${name}: ${ended.stderr}`);
    const { epochs } = JSON.parse(ended.stdout) as { epochs: { loss: number }[] };
    const found = readdirSync(peaks)
      .filter((file) => file.endsWith('.json'))
      .map((file) => JSON.parse(readFileSync(join(peaks, file), 'utf8')) as { rank: number; bytes: number })
      .sort((a, b) => a.rank - b.rank)
      .map((peak) => peak.bytes);
    const alone = results.find((result) => result.name === 'one')?.peaks[0];
    const share = alone === undefined || name === 'one' ? {} : { share: Math.max(...found) / alone };
    results.push({ name, peaks: found, loss: epochs.at(-1)!.loss, ...share });
    if (values.json) continue;
    const part = 'share' in share ? `, at most ${(share.share! * 100).toFixed(0)} % of one process` : '';
    console.log(`${name.padEnd(7)} ${found.map(showBytes).join(', ')}${part}; loss ${epochs.at(-1)!.loss.toFixed(5)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify({ workloads: results }));
