/**
 * Static int8 on real models and images: size, speed, and how much of the accuracy stays.
 *
 * Run      npm run build && node dist/bench/quantize/main.js [--data folder] [--calibrate name] [--bits 7|8]
 *          [--bias plain] [--max-drop share] [--rounds 21, 0 for no timing] [part of a model's name …]
 * Prints   file size before over after; single-thread latency float over int8 at batch 1 and 8 (interleaved rounds, median);
 *          top-1 before and after and the share of images with the same top-1 (detectors: cosine of the output).
 */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Dataset, inMemory, readIdx, type Stored } from '../../src/data/index.ts';
import { feedsOf, type Model, tensorType } from '../../src/graph/model.ts';
import { readModelFile, writeModel } from '../../src/onnx/index.ts';
import { accuracy } from '../../src/quantize/accuracy.ts';
import { type CalibratorName, quantize } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { measure, openEngine } from '../../src/runtime/index.ts';

interface Preparation {
  readonly images: string;
  readonly labels?: string;
  readonly test?: readonly [images: string, labels: string];
  /** value = byte · scale + shift, by channel; `swap` turns RGB into BGR. */
  readonly scale: number | readonly number[];
  readonly shift: number | readonly number[];
  readonly swap?: boolean;
  /** Added to a label to get the model's class. */
  readonly offset?: number;
}

const cifar = (scale: Preparation['scale'], shift: Preparation['shift']): Preparation => ({
  images: 'cifar10/cifar10-train10k-images-idx4-ubyte.gz',
  labels: 'cifar10/cifar10-train10k-labels-idx1-ubyte.gz',
  test: ['cifar10/cifar10-test2k-images-idx4-ubyte.gz', 'cifar10/cifar10-test2k-labels-idx1-ubyte.gz'],
  scale,
  shift,
});
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const imagenet = {
  images: 'imagenet100/images224-rgb-nhwc-idx4-ubyte.gz',
  labels: 'imagenet100/labels-idx1-int32.gz',
};
const torch = cifar(
  STD.map((s) => 1 / 255 / s),
  STD.map((s, c) => -MEAN[c]! / s),
);

const MODELS: Readonly<Record<string, Preparation>> = {
  cifar10_small_cnn: cifar(2 / 255, -1),
  mlperf_resnet8_cifar10_fp32: cifar(1, 0),
  resnet20_cifar10: torch,
  resnet56_cifar10: torch,
  mnist_cntk: {
    images: 'mnist/train-images-idx3-ubyte.gz',
    labels: 'mnist/train-labels-idx1-ubyte.gz',
    test: ['mnist/t10k-images-idx3-ubyte.gz', 'mnist/t10k-labels-idx1-ubyte.gz'],
    scale: 1,
    shift: 0,
  },
  'squeezenet1.0_fp32': { ...imagenet, swap: true, scale: 1, shift: [-104, -117, -123] },
  'mobilenet_v2_1.0_224_fp32': { ...imagenet, scale: 1 / 128, shift: -1, offset: 1 },
  yolox_nano: { images: 'coco16/images416-letterbox-rgb-nhwc-idx4-ubyte.gz', swap: true, scale: 1, shift: 0 },
};

/** Images as channels first. */
function load(
  folder: string,
  images: string,
  labels: string | undefined,
  { scale, shift, swap = false, offset = 0 }: Preparation,
  most: number,
): Dataset {
  const open = (file: string) => readIdx(new Uint8Array(gunzipSync(readFileSync(`${folder}/images/${file}`))), file);
  const { dims, data } = open(images);
  const isLast = dims[3] === 3;
  const [n, c, h, w] = isLast
    ? [dims[0]!, 3, dims[1]!, dims[2]!]
    : dims.length === 3
      ? [dims[0]!, 1, dims[1]!, dims[2]!]
      : (dims as [number, number, number, number]);
  const count = Math.min(most, n);
  const bytes = data as Uint8Array;
  const size = c * h * w;
  const first = new Uint8Array(count * size);
  if (!isLast) first.set(bytes.subarray(0, first.length));
  else {
    for (let i = 0; i < count; i++) {
      for (let p = 0; p < h * w; p++) {
        for (let k = 0; k < c; k++) first[i * size + (swap ? c - 1 - k : k) * h * w + p] = bytes[i * size + p * c + k]!;
      }
    }
  }
  const x: Stored = { dtype: 'float32', dims: [c, h, w], data: first, scale, shift };
  const classes =
    labels && Int32Array.from(open(labels).data.subarray(0, count) as Uint8Array, (label) => label + offset);
  return inMemory({
    name: images,
    inputs: { x },
    ...(classes && { labels: { dtype: 'int32', dims: [], data: classes } }),
  });
}

const flag = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv.splice(at, 2)[1];
};
const folder = flag('data') ?? process.env['PARE_DATA'] ?? '../shared/data';
const calibrate = (flag('calibrate') ?? 'minmax') as CalibratorName;
const bits = flag('bits');
const maxDrop = flag('max-drop');
const plainBias = flag('bias') === 'plain';
const rounds = Number(flag('rounds') ?? 21); // 0: no timing
const asked = process.argv.slice(2);
using engine = await openEngine();

const withBatch = (model: Model, batch: number): boolean => {
  const first = tensorType(feedsOf(model.graph)[0])?.dims?.[0];
  return typeof first !== 'number' || first === batch;
};
const show = (cells: readonly (string | number)[]): void =>
  console.log(cells.map((cell, i) => `${cell}`[i === 0 ? 'padEnd' : 'padStart'](i === 0 ? 28 : 9)).join(' '));

show([
  'model',
  'kB',
  'int8 kB',
  'smaller',
  'b1 ms',
  'faster',
  'b8 ms',
  'faster',
  'top-1',
  'int8',
  'same',
  'cosine',
  'kept',
  's',
]);
for (const [name, preparation] of Object.entries(MODELS)) {
  if (asked.length > 0 && !asked.some((part) => name.includes(part))) continue;
  const model = await readModelFile(`${folder}/models/${name}.onnx`);
  const train = load(folder, preparation.images, preparation.labels, preparation, 2000);
  const test = preparation.test ? load(folder, ...preparation.test, preparation, 2000) : train;
  const from = performance.now();
  const { model: small, report } = await quantize(
    model,
    {
      data: train,
      judge: test,
      calibrate,
      biasCorrect: !plainBias,
      ...(maxDrop && { maxDrop: Number(maxDrop) }),
      ...(bits && { weightBits: bits === '7' ? 7 : 8 }),
    },
    { engine },
  );
  const seconds = (performance.now() - from) / 1000;
  const latency: string[] = [];
  for (const batch of [1, 8]) {
    if (rounds === 0 || !withBatch(model, batch)) {
      latency.push('-', '-');
      continue;
    }
    const feeds = feedsFor(
      model.graph,
      train,
      Array.from({ length: batch }, (_, i) => i),
    );
    using a = await engine.load(writeModel(model), { threads: 1 });
    using b = await engine.load(writeModel(small), { threads: 1 });
    const [float, int8] = await measure(
      [a, b].map((session, i) => ({ name: `${i}`, run: async () => void (await session.run(feeds)) })),
      { rounds },
    );
    latency.push(float!.p50Ms.toFixed(2), `${(1 / int8!.ratio).toFixed(2)}x`);
  }
  const judged = await accuracy(model, small, test, { engine });
  const share = (x: number | undefined): string => (x === undefined ? '-' : (100 * x).toFixed(2));
  show([
    name,
    (report.before.bytes / 1000).toFixed(1),
    (report.after.bytes / 1000).toFixed(1),
    `${(report.before.bytes / report.after.bytes).toFixed(2)}x`,
    ...latency,
    share(judged.before),
    share(judged.after),
    share(judged.sameTop),
    judged.cosine.toFixed(4),
    report.kept.length,
    seconds.toFixed(1),
  ]);
  if (process.env['VERBOSE']) console.log(report.scheme, report.kept, report.fused);
}
