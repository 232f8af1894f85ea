/**
 * Stored CIFAR-10 networks pruned and fine-tuned, beside the dense network fine-tuned alike.
 *
 * Run      npm run build && node dist/bench/accuracy/prune-cifar.js [--model resnet20_cifar10] [--keep 0.476] [--by taylor] [--rank global]
 *          [--round 1] [--steps 1] [--epochs 8] [--between 1] [--distill 0.9] [--lr 0.03] [--seeds 1] [--threads 2] [--json]
 * Prints   top-1 on test2k for each seed: as stored, dense after the same recipe, cut, and tuned.
 *          The dense network learns for as many epochs as the pruned one in all, and is what the pruned one is cut from.
 */

import { parseArgs } from 'node:util';
import { type CriterionName, type Rank, sizeOfGraph } from '../../src/prune/index.ts';
import { pruneAndTune } from '../../src/recipe/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { cosine, fit, scoreModel, sgd } from '../../src/train/index.ts';
import { cifar, storedModel } from './cifar.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'resnet20_cifar10' },
    keep: { type: 'string', default: '0.476' },
    by: { type: 'string', default: 'taylor' },
    rank: { type: 'string', default: 'global' },
    round: { type: 'string', default: '1' },
    steps: { type: 'string', default: '1' },
    epochs: { type: 'string', default: '8' },
    between: { type: 'string', default: '1' },
    distill: { type: 'string', default: '0.9' },
    lr: { type: 'string', default: '0.03' },
    seeds: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const { model: name, by } = values;
const [keep, round, steps, epochs, between, share, lr, seeds, threads] = (
  ['keep', 'round', 'steps', 'epochs', 'between', 'distill', 'lr', 'seeds', 'threads'] as const
).map((key) => Number(values[key])) as [number, number, number, number, number, number, number, number, number];

const optimizer = (updates: number) => sgd({ lr: cosine(lr, updates), momentum: 0.9, nesterov: true, decay: 5e-4 });
const engine = await openEngine({ threads });
const stored = await storedModel(name);
const rows = [];
for (let seed = 1; seed <= seeds; seed++) {
  const lab: Lab = { engine, seed, onNote: (note) => console.error(note) };
  const { train, learn, test } = await cifar(stored, seed);
  const before = await scoreModel(stored, test, lab);
  const total = epochs + between * (steps - 1);
  const dense = await fit(stored, learn, { epochs: total, batch: 64, optimizer }, lab);
  const denseScore = await scoreModel(dense.model, test, lab);
  console.error(`seed ${seed}: stored ${before}, dense after ${total} epochs ${denseScore}`);
  const tuned = await pruneAndTune(
    dense.model,
    {
      keep: { macs: keep },
      by: by as CriterionName,
      rank: values.rank as Rank,
      roundTo: round,
      data: learn,
      samples: 1024,
      steps,
      epochs,
      epochsBetween: between,
      distill: share,
      fit: { batch: 64, optimizer },
    },
    { ...lab, onProgress: () => undefined },
  );
  const [was, is] = [sizeOfGraph(dense.model.graph), sizeOfGraph(tuned.model.graph)];
  const cutScore = await scoreModel(tuned.model, test, lab);
  rows.push({
    seed,
    stored: before,
    dense: denseScore,
    pruned: cutScore,
    drop: denseScore - cutScore,
    fewerMacs: was.macs / is.macs,
    parameters: is.parameters / was.parameters,
    epochs: total,
    samples: train.size,
  });
  console.error(JSON.stringify(rows.at(-1)));
}
engine[Symbol.dispose]();
if (values.json) console.log(JSON.stringify({ model: name, by, keep, steps, rows }));
else console.table(rows);
