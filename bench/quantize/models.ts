/** The models that the quantisation benches run, their images and how these are prepared. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Dataset, inMemory, readIdx, type Stored } from '../../src/data/index.ts';
import { valueInfo } from '../../src/graph/edit.ts';
import { feedsOf, type Model, tensorType } from '../../src/graph/model.ts';

export interface Preparation {
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

/** The float CNNs of the data folder, and what each wants to see. */
export const MODELS: Readonly<Record<string, Preparation>> = {
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

/** Images as channels first; the first `most` of them. */
export function load(
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

/** One image at a time: files of peers hold shapes that they saw one image have. */
export function ofOne({ graph, ...model }: Model): Model {
  const inputs = feedsOf(graph).map((info) => {
    const { dtype, dims } = tensorType(info)!;
    return valueInfo(info.name, dtype, dims!.with(0, 1));
  });
  return { ...model, graph: { ...graph, inputs, values: new Map() } };
}
