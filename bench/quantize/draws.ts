/**
 * Choices of static int8, and the peers, over several draws of calibration images: what one table of one draw says by chance.
 *
 * Run      npm run build && PARE_PYTHON=venv/bin/python node dist/bench/quantize/draws.js [--draws 3] [--samples 100]
 *          [--only minmax,mse,onnxruntime,nncf] [--json] [part of a model's name …]
 * Prints   accuracy before and after, the share of answers that stay, and the cosine of the answers, on all test images; for
 *          CIFAR-10 also on the lossless images that networks were trained on. Sets without a test part are halved: one half calibrates, the other judges
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { type Dataset, subset } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { floats } from '../../src/graph/tensor.ts';
import { readModelFile } from '../../src/onnx/index.ts';
import { accuracy } from '../../src/quantize/accuracy.ts';
import { type QuantizeOptions, quantize } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { pythonWith, startPeer } from '../peer/process.ts';
import { load, MODELS, type Preparation } from './models.ts';

const CHOICES: Readonly<Record<string, Omit<QuantizeOptions, 'data'>>> = {
  minmax: {},
  'moving-average': { calibrate: 'moving-average' },
  percentile: { calibrate: 'percentile' },
  entropy: { calibrate: 'entropy' },
  mse: { calibrate: 'mse' },
  'no bias correction': { biasCorrect: 'none' },
  'full bias correction': { biasCorrect: 'full' },
  'seq-mse': { round: 'seq-mse' },
  'faster layers': { kernels: 'measured' },
};
const PEERS = ['onnxruntime', 'nncf'];

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    draws: { type: 'string', default: '3' },
    samples: { type: 'string', default: '100' },
    only: { type: 'string', default: [...Object.keys(CHOICES), ...PEERS].join() },
    json: { type: 'boolean', default: false },
  },
});
const root = process.env['PARE_DATA'] ?? '../shared/data';
const asked = flags.only.split(',');
using engine = await openEngine();
const folder = mkdtempSync(join(tmpdir(), 'pare-draws-'));
const skipped: string[] = [];
const peers = new Map<string, Awaited<ReturnType<typeof startPeer>>>();
for (const name of PEERS.filter((peer) => asked.includes(peer))) {
  const python = await pythonWith(name);
  if (python) peers.set(name, await startPeer(python, ['bench/peers/quantization.py', name]));
  else skipped.push(name);
}

/** Data to judge by, by name. */
function judges(name: string, preparation: Preparation): Record<string, Dataset> {
  if (!preparation.test) return {};
  const lossless = [
    'cifar10/cifar10-lossless4k-images-idx4-ubyte.gz',
    'cifar10/cifar10-lossless4k-labels-idx1-ubyte.gz',
  ] as const;
  return {
    test: load(root, ...preparation.test, preparation, 2000),
    ...(name.includes('cifar') && { 'training images': load(root, ...lossless, preparation, 4000) }),
  };
}

async function byPeer(name: string, peer: string, model: Model, data: Dataset): Promise<Model | undefined> {
  const all = Array.from({ length: data.size }, (_, i) => i);
  const [[input, tensor]] = Object.entries(feedsFor(model.graph, data, all)) as [[string, never]];
  const [samples, out] = [join(folder, 'samples.f32'), join(folder, `${name}.${peer}.onnx`)];
  writeFileSync(samples, floats(tensor));
  const { dims } = Object.values(data.inputs)[0]!;
  const answer = await peers.get(peer)!.ask({ model: `${root}/models/${name}.onnx`, input, samples, dims, out });
  if (answer['error']) console.error(`${peer} on ${name}: ${answer['error']}`);
  return answer['error'] ? undefined : await readModelFile(out);
}

const rows = [];
for (const [name, preparation] of Object.entries(MODELS)) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
  const model = await readModelFile(`${root}/models/${name}.onnx`);
  const all = load(root, preparation.images, preparation.labels, preparation, 10_000);
  const tests = judges(name, preparation);
  for (let draw = 0; draw < Number(flags.draws); draw++) {
    const order = random(draw, 'draw').shuffle(Int32Array.from({ length: all.size }, (_, i) => i));
    const count = preparation.test ? Number(flags.samples) : Math.floor(all.size / 2);
    const data = subset(all, order.slice(0, count));
    const on = preparation.test ? tests : { 'other half': subset(all, order.slice(count)) };
    for (const by of asked) {
      const options = CHOICES[by];
      const small = options
        ? (await quantize(model, { ...options, data, samples: count }, { engine })).model
        : peers.has(by) && (await byPeer(name, by, model, data));
      if (!small) continue;
      for (const [judge, test] of Object.entries(on)) {
        const { before, after, sameTop, cosine } = await accuracy(model, small, test, { engine });
        rows.push({ name, draw, by, judge, before, after, sameTop, cosine });
        const share = (x: number | undefined): string => (x === undefined ? '-' : (100 * x).toFixed(2));
        if (!flags.json)
          console.log(
            `${name.padEnd(28)} ${draw} ${by.padEnd(20)} ${judge.padEnd(16)} ${share(before)} → ${share(after)}  same ${share(sameTop)}  cosine ${cosine.toFixed(4)}`,
          );
      }
    }
  }
}
for (const peer of peers.values()) peer.end();
rmSync(folder, { recursive: true, force: true });
if (flags.json) console.log(JSON.stringify({ rows, skipped }));
else if (skipped.length > 0) console.log(`skipped, not installed: ${skipped.join(', ')}`);
