/**
 * In which order methods go together best: the same cut, the same integers and as many passes over the samples in all.
 *
 * Run      npm run build && node dist/bench/accuracy/optimize/order.js [--model cifar10_small_cnn] [--keep 0.4] [--passes 6] [--samples 10000]
 *          [--seeds 1] [--only ORDER]… [--threads 1] [--json]
 * Prints   points lost on test2k (labelled) and bytes over the original's, for each order and seed
 */

import { parseArgs } from 'node:util';
import { asPareError } from '../../../src/base/error.ts';
import { showShare } from '../../../src/base/unit.ts';
import { take } from '../../../src/data/index.ts';
import { judgeOf } from '../../../src/optimize/judge.ts';
import { answersOf } from '../../../src/recipe/answers.ts';
import { describeSteps, follow, type StepCall } from '../../../src/recipe/index.ts';
import { type Lab, openEngine } from '../../../src/runtime/index.ts';
import { sizeOf } from './rivals.ts';
import { labelledWorkload } from './workloads.ts';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'cifar10_small_cnn' },
    keep: { type: 'string', default: '0.4' },
    passes: { type: 'string', default: '6' },
    samples: { type: 'string', default: '10000' },
    seeds: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true },
    threads: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const passes = Number(flags.passes);

const prune: StepCall = { step: 'prune', by: 'taylor', keepMacs: Number(flags.keep) };
const distill = (epochs: number): StepCall => ({ step: 'distill', epochs, optimizer: 'lamb', labels: 0.5 });
const simplify: StepCall = { step: 'simplify' };
const integers: StepCall = { step: 'quantize', calibrate: 'mse' };
const aware = (epochs: number): StepCall => ({ ...integers, epochs, optimizer: 'lamb' });

const ORDERS: Readonly<Record<string, readonly StepCall[]>> = {
  'prune, distil, quantise': [prune, distill(passes), simplify, integers],
  'prune, distil, quantise while learning': [prune, distill(passes - 2), simplify, aware(2)],
  'prune, quantise while learning': [prune, simplify, aware(passes)],
  'prune, quantise, distil': [prune, simplify, integers, distill(passes)],
  'prune, quantise while learning, distil': [prune, simplify, aware(2), distill(passes - 2)],
  'distil, prune, quantise while learning': [distill(passes - 2), prune, simplify, aware(2)],
  'quantise, prune, distil': [simplify, integers, prune, distill(passes)],
};

const engine = await openEngine({ threads: Number(flags.threads) });
const rows: Record<string, unknown>[] = [];
for (let seed = 0; seed < Number(flags.seeds); seed++) {
  const lab: Lab = { engine, seed };
  const { model, data } = await labelledWorkload(flags.model, lab);
  const judge = await judgeOf(model, data.test!, lab);
  const bench = { original: model, learn: take(data.train, Number(flags.samples)), answers: answersOf(model) };
  for (const [order, calls] of Object.entries(ORDERS)) {
    if (flags.only && !flags.only.includes(order)) continue;
    try {
      const made = await follow(model, calls, bench, lab);
      const { drop } = await judge.score(made);
      const row = { order, seed, drop, bytes: sizeOf(made) / sizeOf(model) };
      rows.push(row);
      if (!flags.json) console.log(`${showShare(row.drop).padStart(8)}  ${row.bytes.toFixed(3)} bytes  ${order}`);
    } catch (thrown) {
      rows.push({ order, seed, fault: asPareError(thrown).message });
      if (!flags.json) console.log(`   -      ${order}: ${asPareError(thrown).message}`);
    }
  }
  if (!flags.json) console.log(`such as ${describeSteps(ORDERS['prune, distil, quantise while learning']!)}`);
}
engine[Symbol.dispose]();
if (flags.json) console.log(JSON.stringify({ model: flags.model, keep: Number(flags.keep), passes, rows }));
