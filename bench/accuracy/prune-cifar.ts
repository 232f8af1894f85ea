/**
 * Stored CIFAR-10 networks pruned and fine-tuned, beside the dense network fine-tuned alike.
 *
 * Run      npm run build && node dist/bench/accuracy/prune-cifar.js [--model resnet20_cifar10] [--keep 0.476] [--by taylor] [--rank global]
 *          [--round 1] [--steps 1] [--epochs 8] [--between 1] [--distill 0.9] [--lr 0.03] [--seeds 1] [--threads 2]
 *          [--dense-epochs N] [--dense-lr X] [--reconstruct] [--peer torch-pruning] [--json]
 * Prints   top-1 on test2k: as stored, dense after the same recipe, and for each seed pruned and tuned, beside Torch-Pruning
 *          with the same dense weights, criterion, budget and fine-tuning.
 *          The dense network learns for as many epochs as the pruned one in all and at the same rate, unless told otherwise
 *          (it forgets more than it learns where it learns for long), and is what the pruned one is cut from and taught by.
 */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeModelFile } from '../../src/onnx/index.ts';
import { type CriterionName, type RankName, sizeOfGraph } from '../../src/prune/index.ts';
import { pruneAndTune } from '../../src/recipe/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { cosine, fit, scoreModel, sgd } from '../../src/train/index.ts';
import { pythonWith, startPeer } from '../peer/process.ts';
import { cifar, dataFolder, storedModel } from './cifar.ts';

/** How many images the criterion looks at. */
const SAMPLES = 1024;

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
    'dense-epochs': { type: 'string' },
    'dense-lr': { type: 'string' },
    reconstruct: { type: 'boolean', default: false },
    peer: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const { model: name, by } = values;
const [keep, round, steps, epochs, between, share, lr, seeds, threads] = (
  ['keep', 'round', 'steps', 'epochs', 'between', 'distill', 'lr', 'seeds', 'threads'] as const
).map((key) => Number(values[key])) as [number, number, number, number, number, number, number, number, number];

const descent = (peak: number) => (updates: number) =>
  sgd({ lr: cosine(peak, updates), momentum: 0.9, nesterov: true, decay: 5e-4 });
const engine = await openEngine({ threads });
const labOf = (seed: number): Lab => ({ engine, seed, onNote: (note) => console.error(note) });
const stored = await storedModel(name);
const total = epochs + between * (steps - 1);
const { learn, test } = await cifar(stored, 0);
const denseEpochs = Number(values['dense-epochs'] ?? total);
const denseOptimizer = descent(Number(values['dense-lr'] ?? lr));
const { model: dense } = await fit(
  stored,
  learn,
  { epochs: denseEpochs, batch: 64, optimizer: denseOptimizer },
  labOf(0),
);
const scores = { stored: await scoreModel(stored, test, labOf(0)), dense: await scoreModel(dense, test, labOf(0)) };
console.error(JSON.stringify({ ...scores, denseEpochs, epochs: total }));
const peer = await torchPruning();
const rows = [];
for (let seed = 1; seed <= seeds; seed++) {
  const { learn } = await cifar(stored, seed);
  const { model: pruned } = await pruneAndTune(
    dense,
    {
      keep: { macs: keep },
      by: by as CriterionName,
      rank: values.rank as RankName,
      roundTo: round,
      reconstruct: values.reconstruct,
      data: learn,
      samples: SAMPLES,
      steps,
      epochs,
      epochsBetween: between,
      distill: share,
      fit: { batch: 64, optimizer: descent(lr) },
    },
    labOf(seed),
  );
  const [was, is] = [sizeOfGraph(dense.graph), sizeOfGraph(pruned.graph)];
  const score = await scoreModel(pruned, test, labOf(seed));
  rows.push({
    seed,
    pruned: score,
    drop: scores.dense - score,
    fewerMacs: was.macs / is.macs,
    parameters: is.parameters,
    ...(await peer?.(seed)),
  });
  console.error(JSON.stringify(rows.at(-1)));
}
engine[Symbol.dispose]();
if (values.json)
  console.log(JSON.stringify({ model: name, by, keep, steps, denseEpochs, epochs: total, ...scores, rows }));
else console.table(rows);
process.exit();

/** What Torch-Pruning makes of the same dense network: asked with a seed. */
async function torchPruning(): Promise<((seed: number) => Promise<Record<string, unknown>>) | undefined> {
  if (values.peer !== 'torch-pruning') return undefined;
  const python = await pythonWith('torch_pruning');
  if (python === undefined) throw new Error('no Python with torch_pruning: see bench/peers/requirements.txt');
  const { ask } = await startPeer(python, ['bench/peers/tp_cifar.py', `${threads}`, dataFolder]);
  const file = join(mkdtempSync(join(tmpdir(), 'pare-prune-')), 'dense.onnx');
  await writeModelFile(file, dense);
  const recipe = { dense: file, keep, by, round: round > 1 ? round : null, samples: SAMPLES, epochs: total };
  return async (seed) => {
    const { pruned, fewerMacs, parameters } = await ask({ ...recipe, seed, lr, distill: share, temperature: 4 });
    return { peer: pruned, peerFewerMacs: fewerMacs, peerParameters: parameters };
  };
}
