/** CIFAR-10 as the accuracy benches use it: train10k to learn from, test2k to score on, as the stored networks want it. */

import { join } from 'node:path';
import { augment, type Dataset, flip, openData, portsOf, shiftCrop } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { readModelFile } from '../../src/onnx/index.ts';

export const dataFolder = process.env['PARE_DATA'] ?? new URL('../../../../shared/data', import.meta.url).pathname;

export const storedModel = (name: string): Promise<Model> => readModelFile(join(dataFolder, 'models', `${name}.onnx`));

/** The splits for this model; `learn` is `train` shifted and mirrored afresh in every epoch. */
export async function cifar(model: Model, seed: number): Promise<Record<'train' | 'learn' | 'test', Dataset>> {
  const { train, test } = await openData(join(dataFolder, 'images', 'cifar10'), {
    ports: portsOf(model.graph),
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    scale: 1 / 255,
  });
  return { train, learn: augment(train, [shiftCrop(4), flip()], { seed }), test: test! };
}
