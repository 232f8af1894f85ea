/** The networks and batches that training is timed on, the same for every peer. */

import type { Model } from '../../src/graph/model.ts';
import { lstmClassifier, mlp, resnetCifar, seedCnn, transformerEncoder } from '../../src/nn/index.ts';
import { chainLayers, sequential } from '../../src/nn/layer.ts';
import { classifier, conv2d, dense, flatten, maxPool2d, relu } from '../../src/nn/layers.ts';

export interface Workload {
  readonly name: string;
  readonly about: string;
  readonly model: () => Model;
  /** One sample. */
  readonly input: readonly number[];
  readonly classes: number;
  readonly batch: number;
  /** Steps per timed sample. */
  readonly steps: number;
}

const cnn28 = (): Model =>
  sequential(
    [
      chainLayers(conv2d(32, 3), relu(), maxPool2d(2)),
      chainLayers(conv2d(64, 3), relu(), maxPool2d(2)),
      flatten(),
      dense(128),
      relu(),
      classifier(10),
    ],
    { input: [1, 28, 28] },
  );

export const workloads: readonly Workload[] = [
  {
    name: 'W1',
    about: 'MLP 784-512-256-10, batch 128',
    model: () => mlp({ input: [784], units: [512, 256], classes: 10 }),
    input: [784],
    classes: 10,
    batch: 128,
    steps: 60,
  },
  {
    name: 'W2',
    about: 'MLP 32-64-10, batch 32',
    model: () => mlp({ input: [32], units: [64], classes: 10 }),
    input: [32],
    classes: 10,
    batch: 32,
    steps: 1000,
  },
  { name: 'W3', about: 'CNN 28x28, batch 64', model: cnn28, input: [1, 28, 28], classes: 10, batch: 64, steps: 12 },
  {
    name: 'W4',
    about: 'seed CNN 224x224, batch 8',
    model: () => seedCnn(),
    input: [3, 224, 224],
    classes: 1000,
    batch: 8,
    steps: 1,
  },
  {
    name: 'W5',
    about: 'ResNet-20 with BatchNorm, batch 64',
    model: () => resnetCifar(),
    input: [3, 32, 32],
    classes: 10,
    batch: 64,
    steps: 4,
  },
  {
    name: 'W6',
    about: 'LSTM 128 over 64 steps of 64, batch 32',
    model: () => lstmClassifier({ length: 64, features: 64, hidden: 128, classes: 10 }),
    input: [64, 64],
    classes: 10,
    batch: 32,
    steps: 60,
  },
  {
    name: 'W7',
    about: 'transformer d 128, 2 layers, batch 16',
    model: () =>
      transformerEncoder({
        length: 64,
        features: 128,
        heads: 4,
        layers: 2,
        hidden: 512,
        norm: 'post',
        activation: 'relu',
        positions: 'none',
        classes: 10,
      }),
    input: [64, 128],
    classes: 10,
    batch: 16,
    steps: 16,
  },
];
