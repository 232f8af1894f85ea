/**
 * Transformers in few bits: dynamic int8, static int8 with SmoothQuant, and blocks of 4 bits by each method (tables that are looked up, too).
 *
 * Run      npm run build && node dist/bench/quantize/transformers.js [--samples 3000] [--epochs 2] [--layers 12] [--rounds 31]
 *          [--methods "q4 nearest,q4 hqq"] [--json] [part of a subject's name …]
 * Data     $PARE_DATA or ../shared/data: models/gpt_nano_sort.onnx, images/mnist, text/sst2
 * Prints   size over the original's; milliseconds over it (batch 1, one thread, in turn); cosine of the answers, and the share that stays the same;
 *          seconds of processor that quantising took, and the most memory that the process held meanwhile
 *
 * The decoder is quantised in a process of its own for each method, so that the memory is that method's.
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Model } from '../../src/graph/model.ts';
import { modelBytes, writeModel } from '../../src/onnx/index.ts';
import { accuracy } from '../../src/quantize/accuracy.ts';
import { quantize, quantizeDynamic, quantizeWeights } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { type Lab, measure, openEngine, steadyRun } from '../../src/runtime/index.ts';
import { type Subject, subjects } from './subjects.ts';

const OPTIONS = {
  samples: { type: 'string', default: '3000' },
  epochs: { type: 'string', default: '2' },
  layers: { type: 'string', default: '12' },
  rounds: { type: 'string', default: '31' },
  methods: { type: 'string', default: '' },
  json: { type: 'boolean', default: false },
  /** In this process, whatever the subject. */
  here: { type: 'boolean', default: false },
} as const;
const { values: flags, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
using engine = await openEngine({ threads: 1 });
const lab: Lab = { engine, seed: 0, threads: 1 };

type Method = (model: Model, { data, rows }: Subject) => Promise<Model>;
const blocks =
  (method: 'nearest' | 'hqq' | 'gptq' | 'awq'): Method =>
  async (model, { data, rows }) =>
    (await quantizeWeights(model, { method, data, samples: rows, embeddings: true }, lab)).model;
const METHODS: Readonly<Record<string, Method>> = {
  'dynamic int8': async (model) => (await quantizeDynamic(model, {}, lab)).model,
  'static int8': async (model, { data }) =>
    (await quantize(model, { data, samples: 64, kernels: 'measured' }, lab)).model,
  'static smooth 0.5': async (model, { data }) =>
    (await quantize(model, { data, samples: 64, smooth: 0.5, kernels: 'measured' }, lab)).model,
  'q4 nearest': blocks('nearest'),
  'q4 hqq': blocks('hqq'),
  'q4 gptq': blocks('gptq'),
  'q4 awq': blocks('awq'),
};

interface Row {
  readonly name: string;
  readonly method: string;
  readonly bytes: number;
  readonly floatBytes: number;
  readonly ms: number;
  readonly floatMs: number;
  readonly ratio: number;
  readonly cosine: number;
  readonly sameTop?: number;
  readonly before?: number;
  readonly after?: number;
  readonly processorSeconds: number;
  readonly peakMegabytes: number;
}

/** The first output alone: what a decoder keeps for its next step is not an answer. */
const answering = (model: Model): Model => ({
  ...model,
  graph: { ...model.graph, outputs: model.graph.outputs.slice(0, 1) },
});

async function rowOf(name: string, method: string, subject: Subject): Promise<Row> {
  const { model, test, spoken } = subject;
  const used = process.cpuUsage();
  const small = await METHODS[method]!(model, subject);
  const { user, system } = process.cpuUsage(used);
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  const feeds = feedsFor(model.graph, spoken, [0]);
  using a = await engine.load(writeModel(model), { threads: 1 });
  using b = await engine.load(writeModel(small), { threads: 1 });
  using one = await steadyRun(a, feeds);
  using two = await steadyRun(b, feeds);
  const cases = [one, two].map(({ run }, i) => ({ name: `${i}`, run }));
  const [before, after] = await measure(cases, { rounds: Number(flags.rounds) });
  return {
    name,
    method,
    bytes: modelBytes(small),
    floatBytes: modelBytes(model),
    ms: after!.p50Ms,
    floatMs: before!.p50Ms,
    ratio: after!.ratio,
    ...(await accuracy(answering(model), answering(small), test, lab)),
    processorSeconds: (user + system) / 1e6,
    peakMegabytes,
  };
}

/** The same in another process. */
function rowElsewhere(name: string, method: string): Row {
  const own = ['samples', 'epochs', 'layers', 'rounds'] as const;
  const given = own.flatMap((flag) => [`--${flag}`, flags[flag]]);
  const args = [fileURLToPath(import.meta.url), name, '--methods', method, '--json', '--here', ...given];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })).workloads[0];
}

const workloads: Row[] = [];
const chosen = Object.keys(METHODS).filter((method) => !flags.methods || flags.methods.split(',').includes(method));
for (const [name, { make, isLarge }] of Object.entries(subjects)) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
  const isElsewhere = isLarge === true && !flags.here;
  const subject = isElsewhere
    ? undefined
    : await make({
        ...lab,
        samples: Number(flags.samples),
        epochs: Number(flags.epochs),
        layers: Number(flags.layers),
      });
  for (const method of chosen) {
    const row = subject ? await rowOf(name, method, subject) : rowElsewhere(name, method);
    workloads.push(row);
    if (!flags.json) show(row);
  }
}
if (flags.json) console.log(JSON.stringify({ workloads }));

function show(row: Row): void {
  const percent = (share: number | undefined): string => (share === undefined ? '' : `${(100 * share).toFixed(1)} %`);
  const cells = [
    row.name.padEnd(14),
    row.method.padEnd(19),
    `${row.bytes} B`.padStart(12),
    `${(row.bytes / row.floatBytes).toFixed(2)}x`,
    `${row.ms.toFixed(2)} ms`.padStart(9),
    `${row.ratio.toFixed(2)}x`,
    `cosine ${row.cosine.toFixed(4)}`,
    `same ${percent(row.sameTop)}`.padEnd(12),
    row.before === undefined ? '' : `right ${percent(row.before)} -> ${percent(row.after)}`,
    `${row.processorSeconds.toFixed(1)} s`.padStart(8),
    `${row.peakMegabytes.toFixed(0)} MB`.padStart(8),
  ];
  console.log(cells.join('  '));
}
