/** Trained networks with real samples as each wants them; labels are left out unless they are asked for. */

import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Dataset, inMemory, openData, portsOf, readIdx, type Splits, take } from '../../../src/data/index.ts';
import type { Model } from '../../../src/graph/model.ts';
import { seedCnn } from '../../../src/nn/index.ts';
import { readModelFile } from '../../../src/onnx/index.ts';
import type { Lab } from '../../../src/runtime/index.ts';
import { adam, cosine, fit } from '../../../src/train/index.ts';
import { melWindows, steps } from './sound.ts';

export const dataFolder = process.env['PARE_DATA'] ?? '../shared/data';

export interface Workload {
  /** Share of accuracy (with labels) or agreement that may be lost. */
  readonly maxDrop: number;
  readonly open: (lab: Lab) => Promise<{ model: Model; data: Splits }>;
}

const stored = (name: string): Promise<Model> => readModelFile(join(dataFolder, 'models', `${name}.onnx`));

const unlabelled = (set: Dataset): Dataset => {
  const { labels: _, classes: __, ...rest } = set;
  return { ...rest, task: 'unlabelled' };
};

interface Pictures {
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly scale: number;
}

/** A set of the folder of images, as `see` shows it. */
const pictures =
  (name: string, folder: string, how: Pictures, see: (set: Dataset) => Dataset = unlabelled): Workload['open'] =>
  async () => {
    const model = await stored(name);
    const { train, test } = await openData(join(dataFolder, 'images', folder), { ports: portsOf(model.graph), ...how });
    return { model, data: { train: see(take(train, 10_000)), test: see(test!) } };
  };

const labelled = (set: Dataset): Dataset => set;

/** How each of the stored CIFAR networks wants to see images. */
const CIFAR: Readonly<Record<string, Pictures>> = {
  cifar10_small_cnn: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], scale: 1 / 255 },
  mlperf_resnet8_cifar10_fp32: { scale: 1 },
};

/** A stored CIFAR network with labelled samples. */
export const labelledWorkload = (name: string, lab: Lab): ReturnType<Workload['open']> =>
  pictures(name, 'cifar10', CIFAR[name] ?? IMAGENET, labelled)(lab);

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], scale: 1 / 255 };

/** Photographs [N, H, W, 3] as floats [N, 3, H, W], a · x + b per channel, in the order of `channels`. */
const photographs =
  (
    name: string,
    file: string,
    channels: readonly number[],
    scale: number,
    shift: readonly number[],
  ): Workload['open'] =>
  async () => {
    const model = await stored(name);
    const bytes = gunzipSync(readFileSync(join(dataFolder, 'images', file)));
    const { dims, data } = readIdx(new Uint8Array(bytes), file);
    const [count, height, width] = dims as [number, number, number];
    const plane = height * width;
    const values = new Float32Array(count * 3 * plane);
    for (let n = 0; n < count; n++) {
      for (let c = 0; c < 3; c++) {
        const from = n * plane * 3 + channels[c]!;
        const to = (n * 3 + c) * plane;
        for (let i = 0; i < plane; i++) values[to + i] = Number(data[from + 3 * i]!) * scale + shift[c]!;
      }
    }
    const x = { dtype: 'float32', dims: [3, height, width], data: values } as const;
    return { model, data: { train: inMemory({ name: file, inputs: { [portsOf(model.graph)[0]!.name]: x } }) } };
  };

/** A seed network that learned here, and its labels. */
const learned =
  (folder: string, limit: number, how: Pictures): Workload['open'] =>
  async (lab) => {
    const { train: all, test } = await openData(join(dataFolder, 'images', folder), how);
    const train = take(all, limit);
    const input = Object.values(train.inputs)[0]!.dims as [number, number, number];
    const { model } = await fit(
      seedCnn({ input, classes: 10, seed: 1 }),
      train,
      { epochs: 6, batch: 64, optimizer: (steps: number) => adam({ lr: cosine(1e-3, steps) }) },
      lab,
    );
    return { model, data: { train, test: test! } };
  };

/** All 729 inputs of the sorting transformer, with the sorted letters that it is fed as it writes. */
async function sorting(): Promise<{ model: Model; data: Splits }> {
  const model = await stored('gpt_nano_sort');
  const tokens = new BigInt64Array(729 * 11);
  for (let n = 0; n < 729; n++) {
    const letters = Array.from({ length: 6 }, (_, i) => Math.floor(n / 3 ** i) % 3);
    [...letters, ...letters.toSorted().slice(0, 5)].forEach((letter, i) => {
      tokens[n * 11 + i] = BigInt(letter);
    });
  }
  const inputs = { [portsOf(model.graph)[0]!.name]: { dtype: 'int64', dims: [11], data: tokens } } as const;
  return { model, data: { train: inMemory({ name: 'six letters', inputs }) } };
}

/** Bytes of the files that stand around here, as magika reads them: the first and the last 1024 of each, 256 where there are none. */
async function files(): Promise<{ model: Model; data: Splits }> {
  const model = await stored('magika_standard_v3_3');
  const kinds = new Map<string, string[]>();
  for (const entry of readdirSync('.', { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /(^|\/)(\.git|dist)(\/|$)/.test(entry.parentPath)) continue;
    const kind = extname(entry.name);
    const list = kinds.get(kind) ?? [];
    if (list.length < MOST_OF_A_KIND) list.push(join(entry.parentPath, entry.name));
    kinds.set(kind, list);
  }
  const paths = [...kinds.values()].flat().sort();
  const bytes = new Int32Array(paths.length * 2 * END).fill(256);
  for (const [i, path] of paths.entries()) {
    const content = readFileSync(path);
    bytes.set(content.subarray(0, END), i * 2 * END);
    const tail = content.subarray(Math.max(0, content.length - END));
    bytes.set(tail, (i + 1) * 2 * END - tail.length);
  }
  const inputs = { [portsOf(model.graph)[0]!.name]: { dtype: 'int32', dims: [2 * END], data: bytes } } as const;
  return { model, data: { train: inMemory({ name: 'files', inputs }) } };
}
const END = 1024;
const MOST_OF_A_KIND = 40;

async function iris(): Promise<{ model: Model; data: Splits }> {
  const model = await stored('iris_mlp');
  const { train, test } = await openData(join(dataFolder, 'tabular/iris.csv'), {
    ports: portsOf(model.graph),
    standardize: false,
  } as never);
  return { model, data: { train: unlabelled(train), ...(test && { test: unlabelled(test) }) } };
}

export const workloads: Readonly<Record<string, Workload>> = {
  'seedCnn, MNIST': { maxDrop: 0.005, open: learned('mnist', 60_000, { scale: 1 / 255 }) },
  'seedCnn, CIFAR-10': { maxDrop: 0.005, open: learned('cifar10', 10_000, IMAGENET) },
  'resnet20_cifar10, labelled': {
    maxDrop: 0.005,
    open: pictures('resnet20_cifar10', 'cifar10', IMAGENET, labelled),
  },
  'resnet56_cifar10, labelled': {
    maxDrop: 0.005,
    open: pictures('resnet56_cifar10', 'cifar10', IMAGENET, labelled),
  },
  'mlperf_resnet8_cifar10_fp32, labelled': {
    maxDrop: 0.005,
    open: (lab) => labelledWorkload('mlperf_resnet8_cifar10_fp32', lab),
  },
  'cifar10_small_cnn, labelled': { maxDrop: 0.005, open: (lab) => labelledWorkload('cifar10_small_cnn', lab) },
  resnet20_cifar10: { maxDrop: 0.02, open: pictures('resnet20_cifar10', 'cifar10', IMAGENET) },
  resnet56_cifar10: { maxDrop: 0.02, open: pictures('resnet56_cifar10', 'cifar10', IMAGENET) },
  mlperf_resnet8_cifar10_fp32: {
    maxDrop: 0.02,
    open: pictures('mlperf_resnet8_cifar10_fp32', 'cifar10', CIFAR['mlperf_resnet8_cifar10_fp32']!),
  },
  cifar10_small_cnn: {
    maxDrop: 0.02,
    open: pictures('cifar10_small_cnn', 'cifar10', CIFAR['cifar10_small_cnn']!),
  },
  mnist_cntk: { maxDrop: 0.02, open: pictures('mnist_cntk', 'mnist', { scale: 1 }) },
  'squeezenet1.0_fp32': {
    maxDrop: 0.02,
    open: photographs(
      'squeezenet1.0_fp32',
      'imagenet100/images224-rgb-nhwc-idx4-ubyte.gz',
      [2, 1, 0],
      1,
      [-104, -117, -123],
    ),
  },
  'mobilenet_v2_1.0_224_fp32': {
    maxDrop: 0.02,
    open: photographs(
      'mobilenet_v2_1.0_224_fp32',
      'imagenet100/images224-rgb-nhwc-idx4-ubyte.gz',
      [0, 1, 2],
      1 / 128,
      [-1, -1, -1],
    ),
  },
  yolox_nano: {
    maxDrop: 0.02,
    open: photographs('yolox_nano', 'coco16/images416-letterbox-rgb-nhwc-idx4-ubyte.gz', [2, 1, 0], 1, [0, 0, 0]),
  },
  magika_standard_v3_3: { maxDrop: 0.02, open: files },
  gpt_nano_sort: { maxDrop: 0.02, open: sorting },
  iris_mlp: { maxDrop: 0.02, open: iris },
  silero_vad_16k: {
    maxDrop: 0.02,
    open: async (lab) => {
      const model = await stored('silero_vad_16k');
      return { model, data: await steps(model, dataFolder, lab) };
    },
  },
  mlperf_ad01_autoencoder_fp32: {
    maxDrop: 0.02,
    open: async () => {
      const model = await stored('mlperf_ad01_autoencoder_fp32');
      return { model, data: melWindows(dataFolder, portsOf(model.graph)[0]!.name) };
    },
  },
};
