/**
 * All criteria at two budgets, at once and in three steps, without fine-tuning: what is left is the criterion's merit.
 *
 * Run      npm run build && node dist/bench/accuracy/prune-criteria.js [--model resnet20_cifar10] [--keep 0.8,0.65] [--seeds 3]
 *          [--samples 128] [--scored 400] [--rank global] [--threads 1] [--json]
 * Prints   top-1 on the first samples of test2k after re-estimating batch normalisation: mean over seeds, and the spread.
 *          Seeds decide which samples are looked at, and chance where a criterion is chance.
 */

import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { subset, take } from '../../src/data/index.ts';
import { type CriterionName, criteria, pruneGradually, type RankName } from '../../src/prune/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { scoreModel } from '../../src/train/index.ts';
import { cifar, storedModel } from './cifar.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'resnet20_cifar10' },
    keep: { type: 'string', default: '0.8,0.65' },
    seeds: { type: 'string', default: '3' },
    samples: { type: 'string', default: '128' },
    scored: { type: 'string', default: '400' },
    rank: { type: 'string', default: 'global' },
    threads: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const budgets = values.keep.split(',').map(Number);
const engine = await openEngine({ threads: Number(values.threads) });
const model = await storedModel(values.model);
const { train, test } = await cifar(model, 1);
const scored = take(test, Number(values.scored));
const rows: Record<string, unknown>[] = [];
for (const by of Object.keys(criteria) as CriterionName[]) {
  for (const share of budgets) {
    for (const steps of [1, 3]) {
      const found: number[] = [];
      for (let seed = 1; seed <= Number(values.seeds); seed++) {
        const lab: Lab = { engine, seed };
        const source = random(seed, 'bench/criteria');
        const looked = subset(
          train,
          Int32Array.from({ length: Number(values.samples) }, () => source.integer(train.size)),
        );
        const { model: pruned } = await pruneGradually(
          model,
          {
            keep: { macs: share },
            by,
            rank: values.rank as RankName,
            roundTo: 1,
            data: looked,
            steps,
            reestimate: true,
          },
          lab,
        );
        found.push(await scoreModel(pruned, scored, lab));
      }
      const mean = found.reduce((a, b) => a + b, 0) / found.length;
      rows.push({ by, keep: share, steps, accuracy: mean, spread: Math.max(...found) - Math.min(...found) });
      console.error(JSON.stringify(rows.at(-1)));
    }
  }
}
engine[Symbol.dispose]();
if (values.json) console.log(JSON.stringify({ ...values, rows }));
else console.table(rows);
