/**
 * Transformers in few bits: dynamic int8, static int8 with SmoothQuant, and blocks of 4 bits by each method.
 *
 * Run      npm run build && node dist/bench/quantize/transformers.js [--samples 3000] [--epochs 2] [--layers 12] [--rounds 9] [--methods "q4 nearest,q4 hqq"] [--json] [part of a name …]
 * Data     $PARE_DATA or ../shared/data: models/gpt_nano_sort.onnx, images/mnist. Nets without trained weights are for speed and memory.
 * Models   gpt_nano_sort (all 729 inputs); a ViT trained here on MNIST; a decoder of about 100 million random parameters, one token at a time
 * Prints   size over the original's; milliseconds over it (one thread, in turn); cosine of the outputs, and the share of samples answered alike
 */

import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { type Dataset, inMemory, openData, portsOf, take } from '../../src/data/index.ts';
import { valueInfo } from '../../src/graph/edit.ts';
import type { Model } from '../../src/graph/model.ts';
import { float32 } from '../../src/graph/tensor.ts';
import { vit } from '../../src/nn/index.ts';
import { modelBytes, readModelFile, writeModel } from '../../src/onnx/index.ts';
import { draft } from '../../src/ops/builder.ts';
import { accuracy } from '../../src/quantize/accuracy.ts';
import { quantize, quantizeDynamic, quantizeWeights } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { type Lab, measure, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, fit } from '../../src/train/index.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    samples: { type: 'string', default: '3000' },
    epochs: { type: 'string', default: '2' },
    layers: { type: 'string', default: '12' },
    rounds: { type: 'string', default: '9' },
    methods: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const root = process.env['PARE_DATA'] ?? '../shared/data';
using engine = await openEngine();
const lab: Lab = { engine, seed: 0, threads: 1 };

interface Subject {
  readonly model: Model;
  readonly data: Dataset;
  readonly test: Dataset;
}

/** The six letters, then the sorted ones but the last. */
async function gptNano(): Promise<Subject> {
  const model = await readModelFile(`${root}/models/gpt_nano_sort.onnx`);
  const rows = Array.from({ length: 729 }, (_, i) => {
    const letters = Array.from({ length: 6 }, (_, k) => Math.floor(i / 3 ** k) % 3);
    return [...letters, ...letters.toSorted().slice(0, 5)].map(BigInt);
  });
  const ids = { dtype: 'int64', dims: [11], data: BigInt64Array.from(rows.flat()) } as const;
  const data = inMemory({ name: 'sort', inputs: { input_ids: ids } });
  return { model, data, test: data };
}

async function trainedVit(): Promise<Subject> {
  const untrained = vit({ input: [1, 28, 28], patch: 7, width: 64, heads: 4, layers: 4, hidden: 128, classes: 10 });
  const opened = await openData(`${root}/images/mnist`, { ports: portsOf(untrained.graph) });
  const data = take(opened.train, Number(flags.samples));
  const optimizer = (updates: number) => adam({ lr: cosine(1e-3, updates) });
  const { model } = await fit(untrained, data, { epochs: Number(flags.epochs), optimizer }, lab);
  return { model, data, test: take(opened.test!, 1000) };
}

/** Blocks of a decoder as far as weights go: four products and two of the feed-forward part, 12 · width² each. */
async function decoder(): Promise<Subject> {
  const width = 832;
  const { g, finish } = draft();
  const source = random(1, 'decoder');
  const weight = (rows: number, columns: number) =>
    g.constant(
      float32(
        [rows, columns],
        Float32Array.from({ length: rows * columns }, () => source.normal() / Math.sqrt(rows)),
      ),
      'w',
    );
  let x = g.input('state', 'float32', [1, width]);
  const ones = g.constant(float32([width], new Float32Array(width).fill(1)), 'one');
  for (let layer = 0; layer < Number(flags.layers); layer++) {
    const a = g.LayerNormalization(x, ones);
    const mixed = g.Mul(g.MatMul(a, weight(width, width)), g.Sigmoid(g.MatMul(a, weight(width, width))));
    x = g.Add(x, g.MatMul(g.Add(mixed, g.MatMul(a, weight(width, width))), weight(width, width)));
    const b = g.LayerNormalization(x, ones);
    x = g.Add(x, g.MatMul(g.Gelu(g.MatMul(b, weight(width, 4 * width))), weight(4 * width, width)));
  }
  const graph = { ...finish([valueInfo(x.name, 'float32', [1, width])]), values: new Map() };
  const model: Model = { ir: 10, opsets: { '': 21 }, producer: { name: '', version: '' }, metadata: {}, graph };
  const state = {
    dtype: 'float32',
    dims: [width],
    data: Float32Array.from({ length: 64 * width }, () => source.normal()),
  } as const;
  const data = inMemory({ name: 'states', inputs: { state } });
  return { model, data, test: data };
}

const SUBJECTS = { gpt_nano_sort: gptNano, vit: trainedVit, decoder };
type Method = (model: Model, data: Dataset) => Promise<Model>;
const blocks =
  (method: 'nearest' | 'hqq' | 'gptq' | 'awq'): Method =>
  async (model, data) =>
    (await quantizeWeights(model, { method, data, samples: 64 }, lab)).model;
const METHODS: Readonly<Record<string, Method>> = {
  'dynamic int8': async (model) => (await quantizeDynamic(model, {}, lab)).model,
  'static int8': async (model, data) => (await quantize(model, { data, samples: 64 }, lab)).model,
  'static, smooth 0.5': async (model, data) => (await quantize(model, { data, samples: 64, smooth: 0.5 }, lab)).model,
  'q4 nearest': blocks('nearest'),
  'q4 hqq': blocks('hqq'),
  'q4 gptq': blocks('gptq'),
  'q4 awq': blocks('awq'),
};

const workloads: Record<string, unknown>[] = [];
for (const [name, make] of Object.entries(SUBJECTS)) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
  const { model, data, test } = await make();
  const feeds = feedsFor(model.graph, data, [0]);
  if (!flags.json) console.log(`${name}: ${modelBytes(model)} bytes`);
  for (const [method, run] of Object.entries(METHODS)) {
    if (flags.methods && !flags.methods.split(',').includes(method)) continue;
    const from = performance.now();
    const small = await run(model, data);
    const seconds = (performance.now() - from) / 1000;
    using a = await engine.load(writeModel(model), { threads: 1 });
    using b = await engine.load(writeModel(small), { threads: 1 });
    const cases = [a, b].map((session, i) => ({ name: `${i}`, run: async () => void (await session.run(feeds)) }));
    const [before, after] = await measure(cases, { rounds: Number(flags.rounds) });
    const close = await accuracy(model, small, test, lab);
    const [bytes, share] = [modelBytes(small), modelBytes(small) / modelBytes(model)];
    const row = {
      name,
      method,
      seconds,
      bytes,
      ms: after!.p50Ms,
      floatMs: before!.p50Ms,
      ratio: after!.ratio,
      ...close,
    };
    workloads.push(row);
    const top = close.sameTop === undefined ? '' : `  same ${(100 * close.sameTop).toFixed(1)} %`;
    const figures = `${bytes} B (${share.toFixed(2)}x)  ${after!.ratio.toFixed(2)}x ms  cosine ${close.cosine.toFixed(4)}${top}`;
    if (!flags.json) console.log(`  ${method.padEnd(20)} ${seconds.toFixed(1).padStart(6)} s  ${figures}`);
  }
}
if (flags.json) console.log(JSON.stringify({ workloads }));
