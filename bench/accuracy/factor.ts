/**
 * Low-rank chains on networks exported from PyTorch: rank rule against MACs, time, and agreement with the original before and
 * after a little distillation. Samples only; labels teach nothing.
 *
 * Run      npm run build && node dist/bench/accuracy/factor.js [--on resnet20_cifar10|cifar10_small_cnn] [--samples 1000]
 *          [--epochs 2: 0 leaves fine-tuning out] [--test 1000] [--threads 2] [--json]
 * Data     $PARE_DATA or ../shared/data: cifar10 train10k and test2k, the models by name
 */

import { parseArgs } from 'node:util';
import { factorize, type Rank } from '../../src/compress/index.ts';
import { bind, type Dataset, openData, portsOf, take } from '../../src/data/index.ts';
import { distill } from '../../src/distill/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { agreement, measureModels } from '../../src/report/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { cosine, lamb } from '../../src/train/index.ts';
import { dataFolder, storedModel } from './cifar.ts';

const { values: flags } = parseArgs({
  options: {
    on: { type: 'string', multiple: true },
    samples: { type: 'string', default: '1000' },
    epochs: { type: 'string', default: '2' },
    test: { type: 'string', default: '1000' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});

/** What each network was trained on. */
const MODELS = {
  resnet20_cifar10: { preset: 'imagenet' },
  cifar10_small_cnn: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], scale: 1 / 255 },
} as const;

const RULES: Readonly<Record<string, { rank: Rank; measured?: true }>> = {
  'energy 0.95': { rank: { energy: 0.95 } },
  'energy 0.8': { rank: { energy: 0.8 } },
  'evbmf, weakened 0.5': { rank: { evbmf: true, weaken: 0.5 } },
  'share 0.5': { rank: { share: 0.5 } },
  'budget 0.6': { rank: { keep: { macs: 0.6 } } },
  'budget 0.6, faster ones only': { rank: { keep: { macs: 0.6 } }, measured: true },
  'latency 0.8': { rank: { latency: 0.8 } },
};

const threads = Number(flags.threads);
using engine = await openEngine({ threads });
const lab: Lab = { engine, threads, seed: 0 };
const say = (text: string): void => void (flags.json || process.stdout.write(`${text}\n`));
const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
const epochs = Number(flags.epochs);
const workloads: object[] = [];

for (const [name, preprocessing] of Object.entries(MODELS)) {
  if (flags.on && !flags.on.includes(name)) continue;
  const original = await storedModel(name);
  const splits = await openData('cifar10', { folders: [dataFolder], ...preprocessing });
  const under = (data: Dataset): Dataset => bind(data, portsOf(original.graph));
  const test = take(under(splits.test!), Number(flags.test));
  const data: Dataset = { ...take(under(splits.train), Number(flags.samples)), task: 'unlabelled' };
  const same = async (model: Model): Promise<number> =>
    (await agreement({ name: 'small', model }, { name: 'original', model: original }, test, lab)).metric.value;
  say(`${name}\n| rank | layers | MACs | time | agreement | after ${epochs} epochs |`);
  for (const [rule, options] of Object.entries(RULES)) {
    const { model, report } = await factorize(original, { ...options, data }, lab);
    const learning = { epochs, optimizer: (steps: number) => lamb({ lr: cosine(3e-3, steps) }) };
    const tuned = epochs > 0 ? (await distill(model, original, data, learning, lab)).model : model;
    const subjects = [original, model].map((one, i) => ({ name: i === 0 ? 'original' : rule, model: one }));
    const [, measured] = await measureModels(subjects, lab, { batches: [1] });
    const row = {
      name: `${name} ${rule}`,
      layers: report.rewrites.length,
      macs: report.after.macs / report.before.macs,
      time: measured!.timings[0]!.ratio,
      agreement: await same(model),
      tuned: await same(tuned),
    };
    workloads.push(row);
    say(
      `| ${rule} | ${row.layers} | ${percent(row.macs)} | ${row.time.toFixed(2)}x | ${percent(row.agreement)} | ${percent(row.tuned)} |`,
    );
  }
}
if (flags.json) process.stdout.write(`${JSON.stringify({ workloads })}\n`);
