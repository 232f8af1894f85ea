/** The data flags as data sets, under the names of a model's inputs. */

import { PareError } from '../src/base/error.ts';
import type { Dataset } from '../src/data/dataset.ts';
import type { Data, DataOptions } from '../src/data/spec.ts';
import type { Splits } from '../src/data/subset.ts';
import type { Model } from '../src/graph/model.ts';
import type { Lab } from '../src/runtime/lab.ts';
import type { CommonValues } from './common-args.ts';

/** The sets that `--data` and `--eval` name, under the model's input names. */
export interface Sets {
  /** What may be learned or calibrated from. Absent when only `--eval` was given. */
  readonly train?: Dataset;
  readonly validation?: Dataset;
  /** What is scored on, `--limit` applied. */
  readonly evaluation: Dataset;
  /** How texts became numbers, where the data was read so. */
  readonly encoding?: Data['encoding'];
}

/** ["sequence=11"] → { sequence: 11 }. */
export function dimsOf(words: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    words.map((word): [string, number] => {
      const [, symbol, length] = /^([^=]+)=([1-9]\d*)$/.exec(word) ?? [];
      if (symbol !== undefined) return [symbol, Number(length)];
      throw new PareError('usage/value', `--dim takes SYMBOL=LENGTH, not "${word}".`, { where: '--dim', got: word });
    }),
  );
}

const pair = (sizes: readonly number[], flag: string): number | readonly [number, number] => {
  if (sizes.length === 1) return sizes[0]!;
  if (sizes.length === 2) return [sizes[0]!, sizes[1]!];
  throw new PareError('usage/value', `${flag} takes one size or height,width.`, { where: flag, got: sizes.join(',') });
};

/** The data flags as the data room takes them. */
export async function dataOptions(values: CommonValues): Promise<Omit<DataOptions, 'ports'>> {
  const { preset, resize, crop, mean, std, scale, layout, label, seed, dim, length, vocabulary, window, horizon } =
    values;
  const tokenizer = values.tokenizer === undefined ? undefined : await readTokenizer(values.tokenizer);
  return {
    seed,
    dims: dimsOf(dim),
    ...(preset && { preset }),
    ...(resize && { resize: pair(resize, '--resize') }),
    ...(crop && { crop: pair(crop, '--crop') }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...(scale !== undefined && { scale }),
    ...(layout && { layout }),
    ...(label !== undefined && { label }),
    ...(values.ignore.length > 0 && { ignore: values.ignore }),
    ...(length !== undefined && { length }),
    ...(vocabulary !== undefined && { vocabulary }),
    ...(tokenizer && { tokenizer }),
    ...(window !== undefined && { window: { length: window, ...(horizon !== undefined && { horizon }) } }),
  };
}

/** A tokenizer.json. Throws file/missing, data/tokenizer. */
async function readTokenizer(file: string): Promise<NonNullable<DataOptions['tokenizer']>> {
  const { readFile } = await import('node:fs/promises');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as NonNullable<DataOptions['tokenizer']>;
  } catch (cause) {
    throw new PareError('data/tokenizer', `"${file}" is no tokenizer.json that can be read.`, {
      where: file,
      got: (cause as Error).message,
      cause,
    });
  }
}

/** The data flags for this model: its ports, and how its own training data became numbers, where its file says so. */
async function optionsFor(model: Model | undefined, values: CommonValues): Promise<DataOptions> {
  const { portsOf, ENCODING } = await import('../src/data/index.ts');
  const written = model?.metadata[ENCODING];
  return {
    ...(await dataOptions(values)),
    ...(model && { ports: portsOf(model.graph) }),
    ...(written !== undefined && { encoding: JSON.parse(written) as NonNullable<Data['encoding']> }),
  };
}

/** Class 2 must be the same class in both. Throws data/classes. */
function checkClasses(train: Dataset | undefined, evaluation: Dataset): void {
  const [expected, got] = [train?.classes?.join(', '), evaluation.classes?.join(', ')];
  if (expected === undefined || got === undefined || expected === got) return;
  throw new PareError('data/classes', `"${evaluation.name}" has other classes than "${train!.name}".`, {
    where: evaluation.name,
    expected,
    got,
  });
}

export async function openSplits(
  model: Model,
  values: CommonValues,
  note: (text: string) => void,
): Promise<Splits | undefined> {
  const isReal = values.data !== undefined && values.data !== 'random';
  if (!isReal && values.eval === undefined) return undefined;
  const { openData, take } = await import('../src/data/index.ts');
  const options = await optionsFor(model, values);
  const limited = (set: Dataset | undefined): Dataset | undefined =>
    set && values.limit !== undefined ? take(set, values.limit) : set;
  const data = isReal ? await openData(values.data!, options) : undefined;
  const scored =
    values.eval === undefined
      ? undefined
      : await openData(values.eval, { ...options, held: 0, ...(data?.encoding && { encoding: data.encoding }) });
  for (const text of [...(data?.notes ?? []), ...(scored?.notes ?? [])]) note(text);
  const test = limited(scored ? (scored.test ?? scored.validation ?? scored.train) : data?.test);
  return {
    train: data?.train ?? test!,
    ...(data?.validation && { validation: data.validation }),
    ...(data && test && { test }),
  };
}

/**
 * Random inputs in lengths that the model takes, told where nobody named them; undefined, and told, where its inputs share no batch
 * axis: what is run then makes inputs of its own. Throws as lengthsThatRun and openData do.
 */
async function openRandom(
  model: Model,
  values: CommonValues,
  note: (text: string) => void,
  lab: Lab,
): Promise<Sets | undefined> {
  const { portsOf } = await import('../src/data/index.ts');
  const { lengthsThatRun } = await import('../src/report/random-feeds.ts');
  const firsts = new Set(portsOf(model.graph).flatMap(({ dims }) => dims.slice(0, 1)));
  if (firsts.size > 1 && [...firsts].some((dim) => typeof dim === 'number')) {
    note('the inputs share no batch axis: nothing is scored on random samples');
    return undefined;
  }
  const given = dimsOf(values.dim);
  const lengths = Object.entries(await lengthsThatRun({ name: 'model', model }, lab, given));
  const chosen = lengths.filter(([symbol]) => given[symbol] === undefined);
  if (chosen.length > 0) {
    const words = chosen.map(([symbol, length]) => `${symbol} taken as ${length}`).join(', ');
    note(`${words} (--dim ${chosen[0]![0]}=… sets it)`);
  }
  return openNamed(model, { ...values, dim: lengths.map(([symbol, length]) => `${symbol}=${length}`) }, note);
}

/** The sets that the command names; `lab` runs the model where its inputs are random. */
export async function openSets(
  model: Model | undefined,
  values: CommonValues,
  note: (text: string) => void,
  lab: () => Promise<Lab>,
): Promise<Sets | undefined> {
  const isRandom = [values.data, values.eval].includes('random');
  return model && isRandom ? openRandom(model, values, note, await lab()) : openNamed(model, values, note);
}

async function openNamed(
  model: Model | undefined,
  values: CommonValues,
  note: (text: string) => void,
): Promise<Sets | undefined> {
  if (values.data === undefined && values.eval === undefined) return undefined;
  const { openData, take, withTest } = await import('../src/data/index.ts');
  const options = await optionsFor(model, values);
  const limited = (dataset: Dataset): Dataset => (values.limit === undefined ? dataset : take(dataset, values.limit));
  const open = async (spec: string, more: Pick<DataOptions, 'encoding' | 'held'> = {}) => {
    const data = await openData(spec, { ...options, ...more });
    data.notes.forEach(note);
    return data;
  };
  const data = values.data === undefined ? undefined : await open(values.data);
  const encoding = data?.encoding && { encoding: data.encoding };
  if (values.eval !== undefined) {
    const scored = await open(values.eval, { held: 0, ...encoding });
    const evaluation = limited(scored.test ?? scored.validation ?? scored.train);
    checkClasses(data?.train, evaluation);
    return {
      ...(data && { train: data.train }),
      ...(data?.validation && { validation: data.validation }),
      evaluation,
      ...encoding,
    };
  }
  const split = withTest(data!, { seed: values.seed });
  if (!data!.test && !data!.validation) {
    const [held, all] = [split.test.size, data!.train.size];
    note(
      `${values.data} has no test split: ${held} of its ${all} samples are held back and scored (--eval scores all of a set)`,
    );
  }
  return {
    train: split.train,
    ...(split.validation && { validation: split.validation }),
    evaluation: limited(split.test),
    ...encoding,
  };
}
