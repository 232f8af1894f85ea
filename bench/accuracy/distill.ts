/**
 * What a small network gains by learning from a large one: resnet56 (CIFAR-10) to a ResNet-8 and to a plain 4-conv network,
 * hard labels against soft targets and DKD, three seeds each, and the same recipe in PyTorch where it is installed.
 *
 * Run      npm run build && node dist/bench/accuracy/distill.js [--epochs 12] [--seeds 3] [--student resnet8|plain] [--peer]
 *          [--recorded 1000: samples to compare recorded and live teachers on] [--samples 10000] [--lesson NAME]
 *          [--seed 0: the first] [--threads 2] [--cache FOLDER for the teacher's answers, without --peer] [--json]
 * Data     $PARE_DATA or ../shared/data: cifar10 train10k and test2k, models/resnet56_cifar10.onnx and cifar10_small_cnn.onnx
 * Recipe   resnet8: SGD 0.9 Nesterov, decay 5e-4; plain: Adam, since without normalisation SGD runs away; cosine, batch 64, no augmentation; labels 10 % beside soft targets (T 4), 50 % beside DKD
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { costOf } from '../../src/cost/cost.ts';
import { bind, type Dataset, openData, portsOf, take } from '../../src/data/index.ts';
import { cached, distill, distillLosses, type Recorded, record } from '../../src/distill/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { float32, sizeOf } from '../../src/graph/tensor.ts';
import { resnetCifar } from '../../src/nn/index.ts';
import { readModelFile, writeModel } from '../../src/onnx/index.ts';
import { modernize } from '../../src/ops/modern.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, fit, type Optimizer, type Schedule, scoreModel, sgd } from '../../src/train/index.ts';
import { pythonWith, startPeer } from '../peer/process.ts';

const { values: flags } = parseArgs({
  options: {
    epochs: { type: 'string', default: '12' },
    seeds: { type: 'string', default: '3' },
    student: { type: 'string', multiple: true },
    peer: { type: 'boolean', default: false },
    recorded: { type: 'string', default: '0' },
    lesson: { type: 'string', multiple: true },
    seed: { type: 'string', default: '0' },
    samples: { type: 'string', default: '10000' },
    threads: { type: 'string', default: '2' },
    cache: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [epochs, seeds, threads] = [Number(flags.epochs), Number(flags.seeds), Number(flags.threads)];
const root = process.env['PARE_DATA'] ?? '../shared/data';
const BATCH = 64;

/** The model with its weights drawn anew: He normal for matrices and kernels, zero for the rest. */
function redrawn(model: Model, seed: number): Model {
  const initializers = new Map(
    [...model.graph.initializers].map(([name, old]) => {
      if (old.dtype !== 'float32') return [name, old];
      const fan = sizeOf(old.dims) / (old.dims[0] ?? 1);
      const source = random(seed, name);
      const draw = (): number => (old.dims.length > 1 ? Math.sqrt(2 / fan) * source.normal() : 0);
      return [name, float32(old.dims, Float32Array.from({ length: sizeOf(old.dims) }, draw))];
    }),
  );
  return { ...model, graph: { ...model.graph, initializers } };
}

interface Student {
  readonly make: (seed: number) => Promise<Model>;
  readonly lr: number;
  readonly optimizer: (lr: Schedule) => Optimizer;
}

const STUDENTS: Readonly<Record<string, Student>> = {
  resnet8: {
    make: async (seed) => resnetCifar({ depth: 8, seed }),
    lr: 0.05,
    optimizer: (lr) => sgd({ lr, momentum: 0.9, nesterov: true, decay: 5e-4 }),
  },
  plain: {
    make: async (seed) => redrawn(await readModelFile(`${root}/models/cifar10_small_cnn.onnx`), seed),
    lr: 1e-3,
    optimizer: (lr) => adam({ lr }),
  },
};

/** How a student is taught: the share of the labels, and the loss beside them. */
const LESSONS = {
  labels: { labels: 1, loss: undefined },
  'soft-targets': { labels: 0.1, loss: () => distillLosses['soft-targets']({ T: 4 }) },
  dkd: { labels: 0.5, loss: () => distillLosses.dkd({ alpha: 1, beta: 2, T: 4 }) },
} as const;

const teacher = await readModelFile(`${root}/models/resnet56_cifar10.onnx`);
const opened = await openData('cifar10', { preset: 'imagenet', folders: [root] });
const splits = { train: take(opened.train, Number(flags.samples)), test: opened.test };
using engine = await openEngine({ threads });
const lab: Lab = { engine, threads, seed: 0 };
const under = (data: Dataset, model: Model): Dataset => bind(data, portsOf(model.graph));
const seen = under(splits.train, teacher);
const recorded =
  flags.cache && !flags.peer
    ? await cached(teacher, seen, { folder: flags.cache, keep: 'float32' }, lab)
    : await record(teacher, seen, lab);
const share = (x: number): string => `${(100 * x).toFixed(2)} %`;
const say = (text: string): void => void (flags.json || process.stdout.write(`${text}\n`));
if (!flags.lesson) say(`teacher: ${share(await scoreModel(teacher, under(splits.test!, teacher), lab))} on test2k`);

if (Number(flags.recorded) > 0) await compareLive(Number(flags.recorded));
const peer = flags.peer && 'values' in recorded ? await torchPeer(recorded) : undefined;
const workloads: Record<string, unknown>[] = [];
for (const [name, { make, lr, optimizer }] of Object.entries(STUDENTS)) {
  if (flags.student && !flags.student.includes(name)) continue;
  const cost = costOf(modernize(await make(0)));
  const whole = costOf(modernize(teacher));
  say(
    `${name}: ${(whole.parameters / cost.parameters).toFixed(1)}x fewer parameters, ${(whole.macs / cost.macs).toFixed(1)}x fewer MACs`,
  );
  for (const [lesson, { labels, loss }] of Object.entries(LESSONS)) {
    if (flags.lesson && !flags.lesson.includes(lesson)) continue;
    const scores: number[] = [];
    const theirs: number[] = [];
    for (let seed = Number(flags.seed); seed < Number(flags.seed) + seeds; seed++) {
      const student = await make(seed);
      const train = under(splits.train, student);
      const options = {
        epochs,
        batch: BATCH,
        optimizer: (steps: number) => optimizer(cosine(lr, steps)),
      };
      const own: Lab = { ...lab, seed };
      const { model } = loss
        ? await distill(student, teacher, train, { ...options, labels, loss: loss(), recorded }, own)
        : await fit(student, train, options, own);
      scores.push(await scoreModel(model, under(splits.test!, student), lab));
      if (peer)
        theirs.push(((await peer.ask({ student: name, lesson, seed, epochs, lr })) as { accuracy: number }).accuracy);
    }
    const torch = theirs.length > 0 ? `   PyTorch ${spread(theirs)}` : '';
    say(`  ${lesson.padEnd(13)} ${spread(scores)}${torch}`);
    workloads.push({
      name: `${name} ${lesson}`,
      accuracy: scores,
      peers: { ...(theirs.length > 0 && { torch: theirs }) },
    });
  }
}
peer?.end();
if (flags.json) process.stdout.write(`${JSON.stringify({ workloads, epochs })}\n`);

/** The same student from recorded answers and from the live teacher: equal to the bit, and how long each takes. */
async function compareLive(samples: number): Promise<void> {
  const student = await STUDENTS['resnet8']!.make(0);
  const few = take(under(splits.train, student), samples);
  const learn = async (live: boolean) => {
    const start = performance.now();
    const optimizer = sgd({ lr: 0.05, momentum: 0.9 });
    const { model } = await distill(student, teacher, few, { epochs: 3, batch: BATCH, optimizer, live }, lab);
    return { seconds: (performance.now() - start) / 1000, model };
  };
  const [recordedFirst, live, again] = [await learn(false), await learn(true), await learn(false)];
  const bytesOf = ({ model }: { model: Model }): string => Buffer.from(writeModel(model)).toString('base64');
  const isEqual = bytesOf(recordedFirst) === bytesOf(live);
  const ratio = (2 * live.seconds) / (recordedFirst.seconds + again.seconds);
  say(
    `recorded = live: ${isEqual ? 'bit for bit' : 'NO'}; 3 epochs of ${samples} samples, recording included: ${ratio.toFixed(2)}x faster`,
  );
}

/** Mean, and half the distance from the smallest to the largest. */
function spread(all: readonly number[]): string {
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  return `${share(mean)} ± ${((100 * (Math.max(...all) - Math.min(...all))) / 2).toFixed(2)}`;
}

/** PyTorch in a process of its own, on the teacher's outputs as recorded here. */
async function torchPeer({ values }: Recorded) {
  const python = await pythonWith('torch');
  if (!python) return void say('PyTorch is not installed: skipped');
  const folder = mkdtempSync(join(tmpdir(), 'pare-bench-'));
  const file = join(folder, 'teacher.f32');
  writeFileSync(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const started = await startPeer(python, ['bench/peers/torch_distill.py', `${threads}`, root, file]);
  return {
    ask: started.ask,
    end: () => {
      started.end();
      rmSync(folder, { recursive: true });
    },
  };
}
