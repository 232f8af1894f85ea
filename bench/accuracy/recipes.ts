/** The recipes, small enough for two cores. */

import {
  augment,
  type Dataset,
  flip,
  inMemory,
  openData,
  reconstruct,
  shiftCrop,
  spreadOf,
} from '../../src/data/index.ts';
import * as nn from '../../src/nn/index.ts';
import { buildNetwork, lstmClassifier, mlp, resnetCifar, sequential, transformerEncoder } from '../../src/nn/index.ts';
import { cosine, metrics, oneCycle, sgd } from '../../src/train/index.ts';
import type { Recipe } from './recipe.ts';

const split = async (spec: string, options: Parameters<typeof openData>[1] = {}) => {
  const { train, test } = await openData(spec, options);
  return { train, test: test! };
};
const dimsOf = (data: Dataset): readonly number[] => Object.values(data.inputs)[0]!.dims;
const text = (file: string, classes: number) => {
  const open = (folder: string) => split(`${folder}/text/${file}`, { vocabulary: 8000, length: 32 });
  const words = (data: Dataset) => ({ length: 32, tokens: Object.values(data.inputs)[0]!.tokens!, classes });
  const budget = { needs: `text/${file}`, open, epochs: 4, batch: 64 };
  const name = file.replace('_train.tsv', '');
  return [
    {
      ...budget,
      name: `${name}-lstm`,
      lr: 3e-3,
      model: (data, seed) => lstmClassifier({ ...words(data), width: 64, hidden: 64, dropout: 0.3, seed }),
      peer: { net: 'lstm', width: 64, hidden: 64, dropout: 0.3 },
    },
    {
      ...budget,
      name: `${name}-transformer`,
      lr: 1e-3,
      model: (data, seed) =>
        transformerEncoder({ ...words(data), width: 64, heads: 4, layers: 2, hidden: 128, dropout: 0.2, seed }),
      peer: { net: 'transformer', width: 64, heads: 4, layers: 2, hidden: 128, dropout: 0.2 },
    },
  ] as const satisfies readonly Recipe[];
};

/** The same samples with another column shape: [T] → [1, T]. */
const asChannel = (data: Dataset): Dataset => ({
  ...data,
  inputs: Object.fromEntries(Object.entries(data.inputs).map(([name, c]) => [name, { ...c, dims: [1, ...c.dims] }])),
});

export const recipes: readonly Recipe[] = [
  {
    name: 'mnist',
    needs: 'images/mnist',
    open: (folder) => split(`${folder}/images/mnist`),
    model: (_, seed) =>
      sequential(
        [
          ...[16, 32].flatMap((filters) => [nn.conv2d(filters, 5), nn.batchNorm(), nn.relu(), nn.maxPool2d(2)]),
          nn.flatten(),
          nn.dense(128),
          nn.relu(),
          nn.dropout(0.3),
          nn.classifier(10),
        ],
        { input: [1, 28, 28], seed },
      ),
    augment: (train, seed) => augment(train, [shiftCrop(2)], { seed }),
    epochs: 8,
    batch: 128,
    lr: 2e-3,
    peer: { net: 'mnist', shift: 2 },
  },
  {
    name: 'cifar10-resnet20',
    needs: 'images/cifar10',
    open: (folder) => split(`${folder}/images/cifar10`, { mean: [0.491, 0.482, 0.447], std: [0.247, 0.243, 0.262] }),
    model: (_, seed) => resnetCifar({ depth: 20, seed }),
    augment: (train, seed) => augment(train, [shiftCrop(4), flip()], { seed }),
    epochs: 12,
    batch: 128,
    lr: 0.1,
    optimizer: (steps) => sgd({ lr: oneCycle(0.1, steps), momentum: 0.9, nesterov: true, decay: 5e-4 }),
    peer: { net: 'resnet20', shift: 4, flip: true, optimizer: 'sgd' },
  },
  ...text('sst2_train.tsv', 2),
  ...text('trec6_train.tsv', 6),
  {
    name: 'fsdd-cnn',
    needs: 'sequence/fsdd',
    open: async (folder) => {
      const { train, test } = await split(`${folder}/sequence/fsdd`);
      return { train: asChannel(train), test: asChannel(test) };
    },
    model: (data, seed) =>
      buildNetwork(
        {
          layers: [
            ['conv1d', 32, 80, { stride: 16 }],
            'batchNorm',
            'relu',
            ['maxPool1d', 4],
            ['conv1d', 64, 3],
            'batchNorm',
            'relu',
            ['maxPool1d', 4],
            ['conv1d', 128, 3],
            'batchNorm',
            'relu',
            'globalAveragePool',
            'flatten',
            ['dropout', 0.3],
            'classifier',
          ],
        },
        { input: dimsOf(data), dtype: 'float32', outputs: 10, seed },
      ),
    epochs: 40,
    batch: 32,
    lr: 3e-3,
    peer: { net: 'sound' },
  },
  {
    name: 'mnist-autoencoder',
    needs: 'images/mnist',
    open: async (folder) => {
      const { train, test } = await split(`${folder}/images/mnist`);
      const flat = (data: Dataset): Dataset =>
        reconstruct({ ...data, inputs: { x: { dtype: 'float32', dims: [784] } } });
      return { train: flat(train), test: flat(test) };
    },
    model: (_, seed) =>
      sequential([nn.dense(128), nn.relu(), nn.dense(32), nn.relu(), nn.dense(128), nn.relu(), nn.classifier(784)], {
        input: [784],
        seed,
      }),
    epochs: 4,
    batch: 128,
    lr: 2e-3,
    metric: metrics.mae,
    peer: { net: 'autoencoder' },
  },
  {
    name: 'california-housing',
    needs: 'tabular/california_housing.csv',
    open: (folder) =>
      split(`${folder}/tabular/california_housing.csv`, { label: 'median_house_value' }).then(standardised),
    model: (data, seed) => mlp({ input: dimsOf(data), units: [128, 64], classes: 1, seed }),
    epochs: 40,
    batch: 128,
    lr: 3e-3,
    peer: { net: 'mlp', units: [128, 64], sklearn: 'regression' },
  },
  {
    name: 'breast-cancer',
    needs: 'tabular/breast_cancer.csv',
    open: (folder) => split(`${folder}/tabular/breast_cancer.csv`),
    model: (data, seed) => mlp({ input: dimsOf(data), units: [32], classes: 2, seed }),
    epochs: 40,
    batch: 32,
    lr: 3e-3,
    peer: { net: 'mlp', units: [32], sklearn: 'classification' },
  },
];

/** Both sets with labels of mean 0 and spread 1, by the training rows. */
function standardised({ train, test }: { train: Dataset; test: Dataset }): { train: Dataset; test: Dataset } {
  const { mean, std } = spreadOf(train);
  const scaled = (data: Dataset): Dataset => {
    const all = Int32Array.from({ length: data.size }, (_, i) => i);
    const [x, y] = [new Float32Array(data.size * dimsOf(data)[0]!), new Float32Array(data.size)];
    data.fill('x', all, x);
    data.fill('labels', all, y);
    const labels = y.map((label) => (label - mean[0]!) / std[0]!);
    return inMemory({
      name: data.name,
      inputs: { x: { dtype: 'float32', dims: dimsOf(data), data: x } },
      labels: { dtype: 'float32', dims: [1], data: labels },
    });
  };
  return { train: scaled(train), test: scaled(test) };
}

export const rateOf = ({ lr }: Recipe, steps: number) => cosine(lr, steps);
