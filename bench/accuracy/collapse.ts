/**
 * Accuracy and agreement against MACs as runs of layers become single layers: closed form, then gradient descent on each
 * block, then fine-tuning by distillation from the original. Samples only; labels score, and teach nothing.
 *
 * Run      npm run build && node dist/bench/accuracy/collapse.js [--on mnist|cifar10|resnet56] [--keep 0.75,0.5,0.35]
 *          [--samples 4000] [--epochs 10] [--block-epochs 10] [--test 2000] [--threads 2] [--json]
 * Data     $PARE_DATA or ../shared/data: mnist; cifar10 train10k and test2k; models/resnet56_cifar10.onnx
 */

import { parseArgs } from 'node:util';
import { type CollapseOptions, collapse } from '../../src/compress/index.ts';
import { bind, type Dataset, openData, portsOf, take } from '../../src/data/index.ts';
import { distill, record } from '../../src/distill/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { seedCnn } from '../../src/nn/index.ts';
import { readModelFile } from '../../src/onnx/index.ts';
import { agreement } from '../../src/report/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, fit, lamb, scoreModel } from '../../src/train/index.ts';

const { values: flags } = parseArgs({
  options: {
    on: { type: 'string', multiple: true },
    keep: { type: 'string', default: '0.75,0.5,0.35' },
    samples: { type: 'string', default: '4000' },
    epochs: { type: 'string', default: '10' },
    'block-epochs': { type: 'string', default: '10' },
    test: { type: 'string', default: '2000' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const root = process.env['PARE_DATA'] ?? '../shared/data';
const keeps = flags.keep.split(',').map(Number);
const threads = Number(flags.threads);
using engine = await openEngine({ threads });
const lab: Lab = { engine, threads, seed: 0 };
const say = (text: string): void => void (flags.json || process.stdout.write(`${text}\n`));
const rate = (updates: number) => adam({ lr: cosine(1e-3, updates) });
const tuning = (updates: number) => lamb({ lr: cosine(3e-3, updates) });

interface Case {
  readonly data: { readonly train: Dataset; readonly test: Dataset };
  readonly model: () => Promise<Model>;
}

/** The reference network, trained on what it will later be judged on. */
async function trainedSeedCnn(input: [number, number, number], data: Dataset, epochs: number): Promise<Model> {
  const begin = seedCnn({ input, classes: 10, units: 128 });
  return (await fit(begin, bind(data, portsOf(begin.graph)), { epochs, optimizer: rate }, lab)).model;
}

const CASES: Readonly<Record<string, () => Promise<Case>>> = {
  mnist: async () => {
    const { train, test } = await openData('mnist', { folders: [root] });
    return { data: { train, test: test! }, model: () => trainedSeedCnn([1, 28, 28], take(train, 20000), 3) };
  },
  cifar10: async () => {
    const { train, test } = await openData('cifar10', { folders: [root], preset: 'imagenet' });
    return { data: { train, test: test! }, model: () => trainedSeedCnn([3, 32, 32], train, 8) };
  },
  resnet56: async () => {
    const { train, test } = await openData('cifar10', { folders: [root], preset: 'imagenet' });
    return { data: { train, test: test! }, model: () => readModelFile(`${root}/models/resnet56_cifar10.onnx`) };
  },
};

const workloads: Record<string, unknown>[] = [];
for (const [name, open] of Object.entries(CASES)) {
  if (flags.on && !flags.on.includes(name)) continue;
  const { data, model: make } = await open();
  const original = await make();
  const under = (set: Dataset): Dataset => bind(set, portsOf(original.graph));
  const test = take(under(data.test), Number(flags.test));
  const seen: Dataset = { ...take(under(data.train), Number(flags.samples)), task: 'unlabelled' };
  const recorded = await record(original, seen, lab);
  const judge = async (model: Model) => ({
    accuracy: await scoreModel(model, test, lab),
    agreement: (await agreement({ name: 'small', model }, { name: 'original', model: original }, test, lab)).metric
      .value,
  });
  const before = await judge(original);
  say(`${name}: ${share(before.accuracy)}`);
  for (const macs of keeps) {
    const how: CollapseOptions = { keep: { macs } };
    const closed = await collapse(original, how, seen, lab);
    const trained = await collapse(original, { ...how, train: { epochs: Number(flags['block-epochs']) } }, seen, lab);
    const learning = { epochs: Number(flags.epochs), optimizer: tuning, recorded };
    const { model: tuned } = await distill(trained.model, original, seen, learning, lab);
    const left = closed.report.after.macs / closed.report.before.macs;
    const rows = { closed: await judge(closed.model), trained: await judge(trained.model), tuned: await judge(tuned) };
    say(`  ${share(left)} of the MACs, ${closed.report.rewrites.length} blocks`);
    for (const [stage, { accuracy, agreement: same }] of Object.entries(rows))
      say(`    ${stage.padEnd(8)} accuracy ${share(accuracy)}  agreement ${share(same)}`);
    workloads.push({ name: `${name} ${macs}`, macs: left, before, ...rows });
  }
}
if (flags.json) process.stdout.write(`${JSON.stringify({ workloads })}\n`);

function share(x: number): string {
  return `${(100 * x).toFixed(2)} %`;
}
