/** Distillation: recorded and live teachers make the same student; recordings survive the disk; features and ensembles work. */

import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { floats, sizeOf } from '../graph/tensor.ts';
import { batchNorm, classifier, conv2d, dropout, flatten, maxPool2d, relu, sequential, softmax } from '../nn/index.ts';
import { type Engine, type Lab, openEngine } from '../runtime/index.ts';
import { sgd } from '../train/index.ts';
import { predictAll } from '../train/predict.ts';
import { cached, recordingBytes } from './cache.ts';
import { type DistillOptions, distill } from './distill.ts';
import { packing } from './packing.ts';
import { pairsOf } from './pairs.ts';
import { record } from './record.ts';

let engine: Engine;
let lab: Lab;
const folder = mkdtempSync(join(tmpdir(), 'pare-distill-'));
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  lab = { engine, threads: 1, seed: 3 };
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const INPUT = [2, 8, 8];
const drawn = (dims: readonly number[], seed: number): Float32Array => {
  const source = random(seed, dims.join());
  return Float32Array.from({ length: sizeOf(dims) }, () => source.normal());
};
const data = (size = 100, labelled = true): Dataset =>
  inMemory({
    name: 'drawn',
    inputs: { x: { dtype: 'float32', dims: INPUT, data: drawn([size, ...INPUT], 5) } },
    ...(labelled && {
      labels: { dtype: 'int64', dims: [], data: BigInt64Array.from({ length: size }, (_, i) => BigInt(i % 4)) },
    }),
  });
const net = (width: number, seed: number, input = 'x'): Model =>
  sequential(
    [
      conv2d(width, 3, { pad: 1 }),
      batchNorm(),
      relu(),
      dropout(0.3),
      maxPool2d(2),
      conv2d(width, 3),
      relu(),
      flatten(),
      classifier(4),
      softmax(),
    ],
    { input: INPUT, seed, inputName: input },
  );
const weightsOf = (model: Model): number[] =>
  [...model.graph.initializers.values()].flatMap((t) => (t.dtype === 'float32' ? [...floats(t)] : []));

it('records what the model in use says, in any form', async () => {
  const set = data();
  const teacher = net(12, 1);
  const softmaxNode = teacher.graph.nodes.find(({ op }) => op === 'Softmax')!;
  const used = await predictAll(teacher, set, softmaxNode.inputs[0]!, {}, lab);
  const { dims, values } = await record(teacher, set, lab, { batch: 16 });
  expect(dims).toEqual([4]);
  const scale = Math.max(...used.values.map(Math.abs));
  for (const [i, value] of values.entries()) expect(Math.abs(value - used.values[i]!) / scale).toBeLessThan(1e-5);
});

it.each([
  ['soft targets', {}],
  ['DKD', { loss: 'dkd' as const }],
  ['attention', { features: { by: 'attention' as const } }],
  ['hints', { features: { by: 'hints' as const, weight: 1 } }],
])('the live teacher makes the same student as the recorded one, bit for bit: %s', async (_, options) => {
  const set = data();
  const [student, teacher] = [net(4, 2), net(12, 1)];
  const common = { ...options, epochs: 2, batch: 20, optimizer: sgd({ lr: 0.02 }) };
  const recorded = await distill(student, teacher, set, common, lab);
  const live = await distill(student, teacher, set, { ...common, optimizer: sgd({ lr: 0.02 }), live: true }, lab);
  expect(weightsOf(live.model)).toEqual(weightsOf(recorded.model));
  expect(weightsOf(recorded.model)).not.toEqual(weightsOf(student));
  expect([...live.model.graph.initializers.keys()]).toEqual([...student.graph.initializers.keys()]);
  expect(live.model.graph.nodes).toEqual(student.graph.nodes);
});

it('a live teacher may call its input by another name', async () => {
  const common = { epochs: 1, batch: 20 };
  const recorded = await distill(net(4, 2), net(12, 1), data(), { ...common, optimizer: sgd({ lr: 0.02 }) }, lab);
  const live = await distill(
    net(4, 2),
    net(12, 1, 'image'),
    data(),
    { ...common, optimizer: sgd({ lr: 0.02 }), live: true },
    lab,
  );
  expect(weightsOf(live.model)).toEqual(weightsOf(recorded.model));
});

it('several teachers answer with the weighted mean of their logits', async () => {
  const set = data(20);
  const [a, b] = [net(12, 1), net(6, 9)];
  const [one, two] = [await record(a, set, lab), await record(b, set, lab)];
  const both = await record([{ model: a, weight: 3 }, b], set, lab);
  both.values.forEach((value, i) => void expect(value).toBeCloseTo(0.75 * one.values[i]! + 0.25 * two.values[i]!, 5));
});

it('pairs values by their spatial size', () => {
  const pairs = pairsOf(net(4, 2), net(12, 1), data());
  expect(pairs.map(({ dims }) => dims)).toEqual([
    [12, 8, 8],
    [12, 2, 2],
  ]);
});

it('learns from the teacher without labels', async () => {
  const set = data(200, false);
  const teacher = net(12, 1);
  const student = net(4, 2);
  const { report } = await distill(student, teacher, set, { epochs: 6, batch: 20, optimizer: sgd({ lr: 0.05 }) }, lab);
  expect(report.epochs.at(-1)!.loss).toBeLessThan(0.8 * report.epochs[0]!.loss);
});

it('a recording on disk is written once, gone on with, and the same', async () => {
  const set = data(70);
  const teacher = net(12, 1);
  const memory = await record(teacher, set, lab, { batch: 16 });
  const notes: string[] = [];
  const loud = { ...lab, onNote: (note: string) => void notes.push(note) };
  const options = { folder, keep: 'float32', batch: 16 } as const;
  const all = Array.from({ length: 70 }, (_, i) => i);
  const readAll = (from: { read(indices: ArrayLike<number>, into: Float32Array): void }): Float32Array => {
    const into = new Float32Array(70 * 4);
    from.read(all, into);
    return into;
  };
  using first = await cached(teacher, set, options, loud);
  expect(first.written).toBe(70);
  expect(first.bytes).toBe(recordingBytes(70, 4, 'float32'));
  expect(statSync(first.path).size).toBe(first.bytes);
  expect(notes.join()).toContain('1.12 kB');
  expect(readAll(first)).toEqual(memory.values);
  using again = await cached(teacher, set, options, loud);
  expect(again.written).toBe(0);
  truncateSync(first.path, 37 * 16 + 5);
  using resumed = await cached(teacher, set, options, loud);
  expect(resumed.written).toBe(33);
  expect(readAll(resumed)).toEqual(memory.values);
  using other = await cached(net(12, 4), set, options, lab);
  expect(other.path).not.toBe(first.path);
  await expect(cached(net(12, 5), set, { ...options, maxBytes: 100 }, lab)).rejects.toThrow(/would take/);
});

it('a recording keeps inner values too, and knows the samples by their content', async () => {
  const set = data(40);
  const [student, teacher] = [net(4, 2), net(12, 1)];
  const [pair] = pairsOf(student, teacher, set);
  const memory = await record(teacher, set, lab, { features: [pair!.teacher], batch: 16 });
  using disk = await cached(teacher, set, { folder, keep: 'float32', features: [pair!.teacher], batch: 16 }, lab);
  const inner = memory.features![pair!.teacher]!;
  const width = sizeOf(inner.dims);
  const into = new Float32Array(2 * width);
  disk.features[pair!.teacher]!.read([3, 30], into);
  const expected = [3, 30].flatMap((i) => [...inner.values.subarray(i * width, (i + 1) * width)]);
  into.forEach((value, i) => void expect(Math.abs(value - expected[i]!)).toBeLessThan(2e-3 * (1 + Math.abs(value))));

  const options = { folder, keep: 'float16', batch: 20 } as const;
  using first = await cached(teacher, set, options, lab);
  const other = inMemory({
    name: 'drawn',
    inputs: { x: { dtype: 'float32', dims: INPUT, data: drawn([40, ...INPUT], 6) } },
  });
  using second = await cached(teacher, other, options, lab);
  expect(second.path).not.toBe(first.path);

  const common = { epochs: 1, batch: 20, features: { by: 'attention' as const } };
  const cache = { folder, keep: 'float32' as const };
  await distill(student, teacher, set, { ...common, cache, optimizer: sgd({ lr: 0.02 }) }, lab);
});

it('losses add up by weight, labels have their share, and the loss is chosen where none is named', async () => {
  const set = data(40);
  const [student, teacher] = [net(4, 2), net(12, 1)];
  const notes: string[] = [];
  const first = async (options: Partial<DistillOptions>, samples = set): Promise<number> => {
    const loud = { ...lab, onNote: (note: string) => void notes.push(note) };
    const still = { epochs: 1, batch: 40, optimizer: sgd({ lr: 0 }), ...options };
    return (await distill(student, teacher, samples, still, loud)).report.epochs[0]!.loss;
  };
  const [soft, mse, hard] = [
    await first({ loss: 'soft-targets', labels: 0 }),
    await first({ loss: 'mse', labels: 0 }),
    await first({ labels: 1 }),
  ];
  const both = await first({ loss: ['soft-targets', { by: 'mse', weight: 3 }], labels: 0.25 });
  expect(both).toBeCloseTo(0.25 * hard + 0.75 * (soft + 3 * mse), 4);
  expect(await first({ labels: 0 })).toBeCloseTo(soft, 5);
  expect(await first({}, data(40, false))).toBeCloseTo(soft, 5);
  expect(notes).toEqual([
    'the student learns by soft-targets: the labels are classes',
    'the student learns by soft-targets: the teacher ends in a softmax',
  ]);
});

it('axes of one behind the classes change no loss, and a student with other outputs is refused', async () => {
  const wide = (flat: boolean, seed: number, classes = 4): Model =>
    sequential([conv2d(classes, 8), ...(flat ? [flatten()] : [])], { input: INPUT, seed });
  const lossOf = async (flat: boolean): Promise<number> => {
    const still = { epochs: 1, batch: 20, optimizer: sgd({ lr: 0 }), loss: 'soft-targets' as const };
    return (await distill(wide(flat, 1), wide(flat, 2), data(20, false), still, lab)).report.epochs[0]!.loss;
  };
  expect(await lossOf(true)).toBeGreaterThan(0.01);
  expect(await lossOf(false)).toBeCloseTo(await lossOf(true), 5);
  await expect(distill(wide(true, 1, 5), wide(true, 2), data(20, false), { epochs: 1 }, lab)).rejects.toMatchObject({
    code: 'distill/outputs',
  });
});

it('samples that change from epoch to epoch have the teacher beside the student', async () => {
  const set = { ...data(40), atEpoch: () => data(40) };
  const notes: string[] = [];
  const loud = { ...lab, onNote: (note: string) => void notes.push(note) };
  const common = { epochs: 1, batch: 20, loss: 'mse' as const };
  const { model } = await distill(net(4, 2), net(12, 1), set, { ...common, optimizer: sgd({ lr: 0.02 }) }, loud);
  const recorded = await distill(net(4, 2), net(12, 1), data(40), { ...common, optimizer: sgd({ lr: 0.02 }) }, lab);
  expect(notes.join()).toContain('beside the student');
  expect(weightsOf(model)).toEqual(weightsOf(recorded.model));
});

it('top-k keeps the largest probabilities and the mass of the rest', () => {
  const logits = drawn([20], 8).map((x) => 3 * x);
  const probabilities = (x: Float32Array): number[] => {
    const e = Array.from(x, Math.exp);
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((value) => value / sum);
  };
  const { rowBytes, pack, unpack } = packing({ top: 5 }, 20);
  expect(rowBytes).toBe(22);
  const row = new DataView(new ArrayBuffer(rowBytes));
  pack(logits, row, 0);
  const back = new Float32Array(20);
  unpack(row, 0, back);
  const [before, after] = [probabilities(logits), probabilities(back)];
  const largest = before.map((p, i) => [p, i] as const).sort((a, b) => b[0] - a[0]);
  for (const [p, i] of largest.slice(0, 5)) expect(Math.abs(after[i]! - p)).toBeLessThan(2e-3);
  const rest = (p: number[]): number => largest.slice(5).reduce((sum, [, i]) => sum + p[i]!, 0);
  expect(Math.abs(rest(after) - rest(before))).toBeLessThan(2e-3);
  expect(() => packing({ top: 21 }, 20)).toThrow(/cannot be kept/);
});
