/** What stands where a model is taken: a file, the name of a reference model, or a configuration's own words. */

import { existsSync } from 'node:fs';
import { PareError } from '../src/base/error.ts';
import { nearest } from '../src/base/suggest.ts';
import type { Data, Dataset } from '../src/data/index.ts';
import { buildNetwork, type NetworkWords, networkNamed, networkNames } from '../src/nn/network.ts';
import type { Subject } from '../src/report/subject.ts';
import type { Arg } from './arg.ts';

export type NetworkSource = { readonly file: string } | { readonly network: NetworkWords };

/** A model's file, a reference model by name, or (as a configuration hands it on) a description in JSON. */
export const network = (about: string): Arg<NetworkSource> => ({
  about: `${about} Known: ${networkNames.join(', ')}.`,
  isConfig: true,
  read: (words) => {
    const word = words.at(-1)!;
    if (word.startsWith('{')) return { network: JSON.parse(word) as NetworkWords };
    const name = networkNamed(word);
    if (name !== undefined) return { network: name };
    const near = /[./\\]/.test(word) || existsSync(word) ? undefined : nearest(word, networkNames);
    if (near === undefined) return { file: word };
    throw new PareError('usage/unknown-network', `"${word}" is neither a file nor a network by name.`, {
      where: word,
      expected: networkNames.join(', '),
      hint: `did you mean "${near}"?`,
    });
  },
});

/**
 * The network in words, built for the data: its input, its classes, and in its metadata how the data became numbers.
 *
 * Throws   network/… as buildNetwork does; network/shape for data with several inputs.
 */
export async function subjectOf(
  { network: words }: Exclude<NetworkSource, { file: string }>,
  data: Dataset,
  seed: number,
  encoding: Data['encoding'],
): Promise<Subject> {
  const { ENCODING, spreadOf } = await import('../src/data/index.ts');
  const column = Object.values(data.inputs)[0]!;
  if (Object.keys(data.inputs).length > 1) {
    throw new PareError('network/shape', `"${data.name}" has several inputs, and a network in words has one.`, {
      where: data.name,
      expected: 'one input',
      got: Object.keys(data.inputs).join(', '),
      ...(!data.labels && { hint: 'targets are in an array called labels or y, or that --label names' }),
    });
  }
  const tokens = column.tokens ?? tokensIn(data);
  const model = buildNetwork(words, {
    input: column.dims,
    dtype: column.dtype,
    ...(tokens !== undefined && { tokens }),
    outputs: await outputsFor(data),
    ...(data.labels && data.task === 'regression' && { units: spreadOf(data) }),
    seed,
  });
  const named = typeof words === 'string' ? words : 'name' in words ? words.name : 'network';
  const metadata = encoding ? { ...model.metadata, [ENCODING]: JSON.stringify(encoding) } : model.metadata;
  return { name: named, model: { ...model, metadata } };
}

/** One more than the largest id, where the only input is a row of integers that are not negative. */
function tokensIn(data: Dataset): number | undefined {
  const [[name, { dims, dtype }]] = Object.entries(data.inputs) as [[string, Dataset['inputs'][string]]];
  if (dims.length !== 1 || !/^int(32|64)$/.test(dtype)) return undefined;
  const ids = new BigInt64Array(data.size * dims[0]!);
  data.fill(
    name,
    Int32Array.from({ length: data.size }, (_, i) => i),
    ids,
  );
  let most = 0n;
  for (const id of ids) {
    if (id < 0n) return undefined;
    if (id > most) most = id;
  }
  return Number(most) + 1;
}

/** Classes, numbers to predict, or as many as the input has where there are no labels. */
async function outputsFor(data: Dataset): Promise<number> {
  const sizeOf = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);
  if (!data.labels) return sizeOf(Object.values(data.inputs)[0]!.dims);
  if (data.task !== 'classification') return sizeOf(data.labels.dims);
  const { classesOf } = await import('../src/data/index.ts');
  const classes = data.classes?.length ?? classesOf(data).reduce((most, label) => Math.max(most, label), 0) + 1;
  if (classes > 1) return classes;
  throw new PareError(
    'data/classes',
    `All samples of "${data.name}" are of one class: there is nothing to tell apart.`,
    {
      where: data.name,
      expected: 'two classes or more',
      got: data.classes?.[0] ?? '0',
    },
  );
}
