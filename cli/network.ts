/** What stands where a model is taken: a file, the name of a reference model, or a configuration's own words. */

import { PareError } from '../src/base/error.ts';
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
    return name === undefined ? { file: word } : { network: name };
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
    });
  }
  const model = buildNetwork(words, {
    input: column.dims,
    dtype: column.dtype,
    ...(column.tokens !== undefined && { tokens: column.tokens }),
    outputs: await outputsFor(data),
    ...(data.labels && data.task === 'regression' && { units: spreadOf(data) }),
    seed,
  });
  const named = typeof words === 'string' ? words : 'name' in words ? words.name : 'network';
  const metadata = encoding ? { ...model.metadata, [ENCODING]: JSON.stringify(encoding) } : model.metadata;
  return { name: named, model: { ...model, metadata } };
}

/** Classes, numbers to predict, or as many as the input has where there are no labels. */
async function outputsFor(data: Dataset): Promise<number> {
  const sizeOf = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);
  if (!data.labels) return sizeOf(Object.values(data.inputs)[0]!.dims);
  if (data.task !== 'classification') return sizeOf(data.labels.dims);
  if (data.classes) return data.classes.length;
  const { classesOf } = await import('../src/data/index.ts');
  return classesOf(data).reduce((most, label) => Math.max(most, label), 0) + 1;
}
