/**
 * Pruning without labels: how often the cut network still answers as the original does.
 *
 * Run      npm run build && node dist/bench/accuracy/prune-label-free.js [--model mobilenet_v2_1.0_224_fp32|squeezenet1.0_fp32]
 *          [--keep 0.7] [--by obs] [--rank measured] [--fit 64] [--epochs 6] [--threads 2] [--json]
 * Prints   agreement (share of equal top-1) on the images of imagenet100 that nothing was fitted on: for plain cutting,
 *          re-estimated batch normalisation, reconstruction, and reconstruction followed by distillation on unlabelled images.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { augment, type Dataset, flip, openData, portsOf, shiftCrop, subset } from '../../src/data/index.ts';
import { distill } from '../../src/distill/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { type CriterionName, prune, type RankName, usesBatchNorm } from '../../src/prune/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, predictAll } from '../../src/train/index.ts';
import { dataFolder, storedModel } from './cifar.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'mobilenet_v2_1.0_224_fp32' },
    keep: { type: 'string', default: '0.7' },
    by: { type: 'string', default: 'obs' },
    rank: { type: 'string', default: 'measured' },
    fit: { type: 'string', default: '64' },
    epochs: { type: 'string', default: '6' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const name = values.model;
/** How each network wants its images. */
const PIXELS = {
  'mobilenet_v2_1.0_224_fp32': { mean: [128, 128, 128], std: [128, 128, 128], scale: 1 },
  'squeezenet1.0_fp32': { mean: [123, 117, 104], std: [1, 1, 1], scale: 1 },
} as const;

const engine = await openEngine({ threads: Number(values.threads) });
const lab: Lab = { engine, seed: 1 };
const model = await storedModel(name);
const { train: all } = await openData(join(dataFolder, 'images', 'imagenet100'), {
  ports: portsOf(model.graph),
  ...PIXELS[name as keyof typeof PIXELS],
});
const images = unlabelled(name.startsWith('squeezenet') ? blueFirst(all) : all);
const count = Number(values.fit);
const numbers = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
const seen = subset(images, numbers(0, count));
const unseen = subset(images, numbers(count, images.size));
const output = model.graph.outputs[0]!.name;
const answers = await tops(model);

const rows: { how: string; agreement: number; share: number; seconds: number }[] = [];
let started = performance.now();
const note = async (how: string, pruned: Model, share: number): Promise<void> => {
  const theirs = await tops(pruned);
  const agreement = theirs.filter((top, i) => top === answers[i]).length / answers.length;
  rows.push({ how, agreement, share, seconds: (performance.now() - started) / 1000 });
  console.error(JSON.stringify(rows.at(-1)));
  started = performance.now();
};
const common = {
  keep: { macs: Number(values.keep) },
  by: values.by as CriterionName,
  rank: values.rank as RankName,
  data: seen,
};
const plain = await prune(model, common, lab);
await note('plain cutting', plain.model, plain.report.share);
if (usesBatchNorm(plain.model)) {
  const renewed = await prune(model, { ...common, reestimate: true }, lab);
  await note('re-estimation', renewed.model, renewed.report.share);
} else console.error('re-estimation: there is no BatchNormalization in this network; as plain cutting');
const fitted = await prune(model, { ...common, reconstruct: true }, lab);
await note('reconstruction', fitted.model, fitted.report.share);
const { model: learnt } = await distill(
  fitted.model,
  model,
  augment(seen, [shiftCrop(16), flip()], { seed: 1 }),
  {
    epochs: Number(values.epochs),
    batch: 16,
    live: true,
    optimizer: (updates: number) => adam({ lr: cosine(1e-4, updates) }),
  },
  lab,
);
await note('reconstruction + distillation', learnt, fitted.report.share);
engine[Symbol.dispose]();
if (values.json) console.log(JSON.stringify({ ...values, images: { fitted: count, scored: unseen.size }, rows }));
else console.table(rows);

async function tops(asked: Model): Promise<number[]> {
  const { dims, values: y } = await predictAll(asked, unseen, output, { batch: 4 }, lab);
  const width = dims.reduce((n, dim) => n * dim, 1);
  return Array.from({ length: unseen.size }, (_, i) => {
    const row = y.subarray(i * width, (i + 1) * width);
    return row.indexOf(Math.max(...row));
  });
}

/** The colours of [3, H, W] the other way round. */
function blueFirst(data: Dataset): Dataset {
  return {
    ...data,
    fill(column, indices, into) {
      data.fill(column, indices, into);
      const plane = 224 * 224;
      for (let i = 0; i < indices.length; i++) {
        const own = into.subarray(3 * i * plane, 3 * (i + 1) * plane) as Float32Array;
        const red = own.slice(0, plane);
        own.copyWithin(0, 2 * plane);
        own.set(red, 2 * plane);
      }
    },
  };
}

function unlabelled(data: Dataset): Dataset {
  const { labels: _, ...rest } = data;
  return { ...rest, task: 'unlabelled' };
}
