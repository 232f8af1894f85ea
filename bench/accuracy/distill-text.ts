/**
 * What a small sentence classifier gains by learning from three transformers: SST-2, hard labels against soft targets and
 * DKD, and the recorded teacher against the live one.
 *
 * Run      npm run build && node dist/bench/accuracy/distill-text.js [--epochs 4] [--seeds 3] [--student lstm|transformer]
 *          [--threads 2] [--json]
 * Data     $PARE_DATA or ../shared/data: text/sst2
 * Recipe   Adam 3e-3, cosine, batch 64; labels 30 % beside soft targets (T 2), 50 % beside DKD
 * Prints   accuracy on the test sentences, mean ± half the range; the same number of steps in every row
 */

import { parseArgs } from 'node:util';
import { costOf } from '../../src/cost/cost.ts';
import { bind, type Dataset, openData, portsOf } from '../../src/data/index.ts';
import { distill, distillLosses, record } from '../../src/distill/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { lstmClassifier, transformerEncoder } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { modernize } from '../../src/ops/modern.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, fit, scoreModel } from '../../src/train/index.ts';
import { dataFolder } from './cifar.ts';

const { values: flags } = parseArgs({
  options: {
    epochs: { type: 'string', default: '4' },
    seeds: { type: 'string', default: '3' },
    student: { type: 'string', multiple: true },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const LENGTH = 32;
const CLASSES = 2;
const TEACHERS = 3;

const opened = await openData(`${dataFolder}/text/sst2_train.tsv`, { vocabulary: 8000, length: LENGTH });
const [train, test] = [opened.train, opened.test!];
const tokens = Object.values(train.inputs)[0]!.tokens!;
const words = { length: LENGTH, tokens, classes: CLASSES };
const teacherNet = (seed: number): Model =>
  transformerEncoder({ ...words, width: 96, heads: 4, layers: 2, hidden: 192, dropout: 0.2, seed });
const STUDENTS: Readonly<Record<string, (seed: number) => Model>> = {
  lstm: (seed) => lstmClassifier({ ...words, width: 12, hidden: 16, bidirectional: true, dropout: 0.2, seed }),
  transformer: (seed) =>
    transformerEncoder({ ...words, width: 16, heads: 2, layers: 1, hidden: 32, dropout: 0.1, seed }),
};
/** How a student is taught: the share of the labels, and the loss beside them. */
const LESSONS = {
  labels: { labels: 1, loss: undefined },
  'soft-targets': { labels: 0.3, loss: distillLosses['soft-targets']({ T: 2 }) },
  dkd: { labels: 0.5, loss: distillLosses.dkd({ alpha: 1, beta: 1, T: 2 }) },
} as const;

const threads = Number(flags.threads);
using engine = await openEngine({ threads });
const labOf = (seed: number): Lab => ({ engine, threads, seed });
const under = (data: Dataset, { graph }: Model): Dataset => bind(data, portsOf(graph));
const learning = {
  epochs: Number(flags.epochs),
  batch: 64,
  optimizer: (steps: number) => adam({ lr: cosine(3e-3, steps) }),
};
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const teachers: { model: Model; weight: number }[] = [];
for (let seed = 100; seed < 100 + TEACHERS; seed++) {
  const start = teacherNet(seed);
  const optimizer = (steps: number) => adam({ lr: cosine(2e-3, steps) });
  const { model } = await fit(start, under(train, start), { ...learning, optimizer }, labOf(seed));
  teachers.push({ model, weight: 1 / TEACHERS });
  say(`teacher ${seed}: ${await scoreModel(model, under(test, model), labOf(0))}`);
}
const recorded = await record(teachers, under(train, teachers[0]!.model), labOf(0));
const rows: Record<string, unknown>[] = [];
for (const [name, make] of Object.entries(STUDENTS)) {
  if (flags.student && !flags.student.includes(name)) continue;
  const [whole, small] = [teachers[0]!.model, make(0)].map((model) => costOf(modernize(model)).parameters);
  for (const [lesson, { labels, loss }] of Object.entries(LESSONS)) {
    const scores: number[] = [];
    for (let seed = 0; seed < Number(flags.seeds); seed++) {
      const student = make(seed);
      const data = under(train, student);
      const { model } = loss
        ? await distill(student, teachers, data, { ...learning, labels, loss, recorded }, labOf(seed))
        : await fit(student, data, learning, labOf(seed));
      scores.push(await scoreModel(model, under(test, student), labOf(seed)));
    }
    rows.push({ name, lesson, smaller: whole! / small!, scores });
    say(`${name} ${(whole! / small!).toFixed(1)}x smaller, ${lesson}: ${spread(scores)}`);
  }
}
const live = await compareLive();
say(`recorded = live: ${live.isEqual ? 'bit for bit' : 'NO'}; ${live.faster.toFixed(2)}x faster, recording included`);
if (flags.json) process.stdout.write(`${JSON.stringify({ rows, live })}\n`);

/** The same student from recorded answers and from the live teachers: is it equal to the bit, and how long does each take? */
async function compareLive(): Promise<{ isEqual: boolean; faster: number }> {
  const learn = async (live: boolean) => {
    const student = STUDENTS['transformer']!(0);
    const start = performance.now();
    const { model } = await distill(student, teachers, under(train, student), { ...learning, live }, labOf(0));
    return { seconds: performance.now() - start, bytes: Buffer.from(writeModel(model)) };
  };
  const [first, second] = [await learn(false), await learn(true)];
  return { isEqual: first.bytes.equals(second.bytes), faster: second.seconds / first.seconds };
}

/** Mean, and half the distance from the smallest to the largest. */
function spread(all: readonly number[]): string {
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  return `${mean.toFixed(4)} ± ${((Math.max(...all) - Math.min(...all)) / 2).toFixed(4)}`;
}
