/** The transformers that are quantised by the bench, and what they read. */

import { bind, type Dataset, inMemory, openData, portsOf, take } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { transformerEncoder, vit } from '../../src/nn/index.ts';
import { readModelFile } from '../../src/onnx/index.ts';
import type { Lab } from '../../src/runtime/index.ts';
import { adam, cosine, fit } from '../../src/train/index.ts';
import { decoder } from './decoder.ts';

export interface Subject {
  readonly model: Model;
  /** To calibrate on, and how many of them where second moments are taken. */
  readonly data: Dataset;
  readonly rows: number;
  /** To judge by, and to time on. */
  readonly test: Dataset;
  readonly spoken: Dataset;
}

export interface Making extends Lab {
  readonly samples: number;
  readonly epochs: number;
  readonly layers: number;
}

const root = process.env['PARE_DATA'] ?? '../shared/data';

/** All 729 inputs: the six letters, then the sorted ones but the last. */
async function gptNano(): Promise<Subject> {
  const model = await readModelFile(`${root}/models/gpt_nano_sort.onnx`);
  const rows = Array.from({ length: 729 }, (_, i) => {
    const letters = Array.from({ length: 6 }, (_, k) => Math.floor(i / 3 ** k) % 3);
    return [...letters, ...letters.toSorted().slice(0, 5)].map(BigInt);
  });
  const ids = { dtype: 'int64', dims: [11], data: BigInt64Array.from(rows.flat()) } as const;
  const data = inMemory({ name: 'sort', inputs: { input_ids: ids } });
  return { model, data, rows: 64, test: data, spoken: data };
}

async function learnt(untrained: Model, data: Dataset, test: Dataset, lr: number, { samples, epochs, ...lab }: Making) {
  const optimizer = (updates: number) => adam({ lr: cosine(lr, updates) });
  const { model } = await fit(untrained, data, { epochs, optimizer }, lab);
  return { model, data, rows: 128, test, spoken: test };
}

async function trainedVit(making: Making): Promise<Subject> {
  const untrained = vit({ input: [1, 28, 28], patch: 7, width: 64, heads: 4, layers: 4, hidden: 128, classes: 10 });
  const opened = await openData(`${root}/images/mnist`, { ports: portsOf(untrained.graph) });
  return await learnt(untrained, take(opened.train, making.samples), take(opened.test!, 1000), 1e-3, making);
}

/** Sentences of up to 32 words, good or bad. */
async function trainedEncoder(making: Making): Promise<Subject> {
  const length = 32;
  const { train, test } = await openData(`${root}/text/sst2_train.tsv`, { vocabulary: 8000, length });
  const tokens = Object.values(train.inputs)[0]!.tokens!;
  const untrained = transformerEncoder({ length, tokens, classes: 2, width: 96, heads: 4, layers: 2, hidden: 192 });
  const bound = (data: Dataset) => bind(data, portsOf(untrained.graph));
  return await learnt(untrained, bound(train), take(bound(test!), 1000), 2e-3, making);
}

/** Speed with 64 steps in the cache. */
async function hundredMillion({ layers }: Making): Promise<Subject> {
  const { model, tokens } = decoder(layers);
  return { model, data: tokens(1024, 4), rows: 1024, test: tokens(256, 4), spoken: tokens(1, 64) };
}

export const subjects: Readonly<Record<string, { make: (making: Making) => Promise<Subject>; isLarge?: true }>> = {
  gpt_nano_sort: { make: gptNano },
  vit: { make: trainedVit },
  encoder: { make: trainedEncoder },
  decoder: { make: hundredMillion, isLarge: true },
};
