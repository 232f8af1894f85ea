/**
 * The reference network on MNIST: trained, pruned to a quarter of its multiply-accumulates or less, and fine-tuned.
 *
 * Run      npm run build && node dist/bench/accuracy/prune-mnist.js [--keep 0.24] [--by l2] [--samples 60000] [--dense 4]
 *          [--epochs 4] [--distill 0.5] [--shift 0: pixels by which images move afresh in each epoch] [--scored 10000] [--seeds 1] [--threads 2] [--json]
 * Prints   accuracy on the test images: dense after its epochs and as many more as the pruned one gets, and pruned.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { augment, openData, portsOf, shiftCrop, take } from '../../src/data/index.ts';
import { seedCnn } from '../../src/nn/index.ts';
import { type CriterionName, sizeOfGraph } from '../../src/prune/index.ts';
import { pruneAndTune } from '../../src/recipe/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, fit, scoreModel } from '../../src/train/index.ts';
import { dataFolder } from './cifar.ts';

const { values } = parseArgs({
  options: {
    keep: { type: 'string', default: '0.24' },
    by: { type: 'string', default: 'l2' },
    samples: { type: 'string', default: '60000' },
    dense: { type: 'string', default: '4' },
    epochs: { type: 'string', default: '4' },
    distill: { type: 'string', default: '0.5' },
    shift: { type: 'string', default: '0' },
    scored: { type: 'string', default: '10000' },
    seeds: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const engine = await openEngine({ threads: Number(values.threads) });
const optimizer = (updates: number) => adam({ lr: cosine(1e-3, updates) });
const rows = [];
for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const lab: Lab = { engine, seed };
  const start = seedCnn({ input: [1, 28, 28], classes: 10, seed });
  const opened = await openData(join(dataFolder, 'images', 'mnist'), { ports: portsOf(start.graph), preset: 'unit' });
  const still = take(opened.train, Number(values.samples));
  const shift = Number(values.shift);
  const train = shift > 0 ? augment(still, [shiftCrop(shift)], { seed }) : still;
  const test = take(opened.test!, Number(values.scored));
  const epochs = Number(values.epochs);
  const first = await fit(start, train, { epochs: Number(values.dense), batch: 64, optimizer }, lab);
  const more = await fit(first.model, train, { epochs, batch: 64, optimizer }, lab);
  const [dense, longer] = [await scoreModel(first.model, test, lab), await scoreModel(more.model, test, lab)];
  console.error(`seed ${seed}: dense ${dense}, after ${epochs} more epochs ${longer}`);
  const tuned = await pruneAndTune(
    first.model,
    {
      keep: { macs: Number(values.keep) },
      by: values.by as CriterionName,
      data: train,
      epochs,
      distill: Number(values.distill),
      fit: { batch: 64, optimizer },
    },
    lab,
  );
  const [was, is] = [sizeOfGraph(first.model.graph), sizeOfGraph(tuned.model.graph)];
  rows.push({
    seed,
    dense,
    denseLonger: longer,
    pruned: await scoreModel(tuned.model, test, lab),
    fewerMacs: was.macs / is.macs,
    fewerParameters: was.parameters / is.parameters,
  });
  console.error(JSON.stringify(rows.at(-1)));
}
engine[Symbol.dispose]();
if (values.json) console.log(JSON.stringify({ ...values, rows }));
else console.table(rows);
