/**
 * The .ts files of the UCR and UEA archives: one series a line, dimensions separated by colons, the class at the end.
 *
 * Source   timeseriesclassification.com, "TS format"; sktime's load_from_tsfile.
 */

import { PareError } from '../base/error.ts';
import { type Dataset, inMemory } from './dataset.ts';
import { baseName } from './disk.ts';
import type { Splits } from './subset.ts';

/** What a file holds, before numbers are scaled. */
interface Series {
  /** Per sample, per dimension: the values, NaN where one is missing. */
  readonly samples: readonly (readonly Float64Array[])[];
  /** Per sample, or undefined when the file has none. */
  readonly labels?: readonly string[];
  /** As the header lists them; undefined for numbers to predict. */
  readonly classes?: readonly string[];
}

/** All that is needed to encode further series in the same way; plain JSON. */
export interface SeriesEncoding {
  readonly kind: 'series';
  /** Per dimension, over all steps of the training series. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Steps: shorter series are filled up with the mean, longer ones are cut. */
  readonly length: number;
  readonly classes?: readonly string[];
}

const bad = (where: string, expected: string, got: string): PareError =>
  new PareError('data/series', `"${where}" is not a file of time series that Pare reads.`, { where, expected, got });

/** Throws data/series with the line at fault. */
function readSeries(text: string, where: string): Series {
  const header = new Map<string, string>();
  const samples: Float64Array[][] = [];
  const labels: string[] = [];
  let inData = false;
  text.split(/\r?\n/).forEach((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    if (!inData) {
      const [, key, value] = /^@(\w+)\s*(.*)$/.exec(line) ?? [];
      if (key === undefined)
        throw bad(where, 'lines that begin with @ before @data', `line ${i + 1}: ${line.slice(0, 40)}`);
      header.set(key.toLowerCase(), value!);
      inData = key.toLowerCase() === 'data';
      return;
    }
    const isLabelled = /^true/i.test(header.get('classlabel') ?? header.get('targetlabel') ?? '');
    const parts = line.split(':');
    if (isLabelled) labels.push(parts.pop()!.trim());
    samples.push(parts.map((part) => valuesOf(part, `${where}, line ${i + 1}`)));
  });
  const dimensions = samples[0]?.length ?? 0;
  const odd = samples.findIndex((sample) => sample.length !== dimensions);
  if (odd >= 0)
    throw bad(where, `${dimensions} dimensions in every series`, `${samples[odd]!.length} in series ${odd + 1}`);
  if (dimensions === 0) throw new PareError('data/empty', `"${where}" holds no series.`, { where });
  const classes = /^true\s+(.+)$/i.exec(header.get('classlabel') ?? '')?.[1]?.split(/\s+/);
  return { samples, ...(labels.length > 0 && { labels }), ...(classes && { classes }) };
}

function valuesOf(part: string, where: string): Float64Array {
  if (part.includes('(')) throw bad(where, 'values without time stamps', part.slice(0, 30));
  return Float64Array.from(part.split(','), (word) => {
    const value = word.trim() === '?' ? Number.NaN : Number(word);
    if (Number.isNaN(value) && !/^(\?|nan)$/i.test(word.trim()))
      throw bad(where, 'numbers, or ? where one is missing', word);
    return value;
  });
}

/** Means, spreads and length of training series. A dimension that never changes has std 1. */
function fitSeries({ samples, classes }: Series): SeriesEncoding {
  const dimensions = samples[0]!.length;
  const each = Array.from({ length: dimensions }, (_, d) => {
    let [count, sum, squares] = [0, 0, 0];
    const visit = (see: (value: number) => void): void => {
      for (const sample of samples) for (const value of sample[d]!) if (!Number.isNaN(value)) see(value);
    };
    visit((value) => {
      count += 1;
      sum += value;
    });
    const mean = sum / Math.max(1, count);
    visit((value) => {
      squares += (value - mean) ** 2;
    });
    return { mean, std: Math.sqrt(squares / Math.max(1, count)) || 1 };
  });
  return {
    kind: 'series',
    mean: each.map(({ mean }) => mean),
    std: each.map(({ std }) => std),
    length: Math.max(...samples.map((sample) => Math.max(...sample.map((values) => values.length)))),
    ...(classes && { classes }),
  };
}

/** Shapes: input `x` [length, dimensions]; labels [] (classes) or [1]. Throws data/series, data/classes. */
function encodeSeries(name: string, series: Series, encoding: SeriesEncoding): Dataset {
  const { samples, labels } = series;
  const { mean, std, length, classes } = encoding;
  const dimensions = mean.length;
  if (samples[0]!.length !== dimensions) {
    throw bad(name, `${dimensions} dimensions, as the training series have`, `${samples[0]!.length}`);
  }
  const data = new Float32Array(samples.length * length * dimensions);
  samples.forEach((sample, n) => {
    sample.forEach((values, d) => {
      for (let t = 0; t < Math.min(length, values.length); t++) {
        const value = (values[t]! - mean[d]!) / std[d]!;
        data[(n * length + t) * dimensions + d] = Number.isNaN(value) ? 0 : value;
      }
    });
  });
  const inputs = { x: { dtype: 'float32', dims: [length, dimensions], data } } as const;
  if (!labels) return inMemory({ name, inputs });
  if (!classes) {
    return inMemory({ name, inputs, labels: { dtype: 'float32', dims: [1], data: Float32Array.from(labels, Number) } });
  }
  const numbers = Int32Array.from(labels, (label) => {
    const index = classes.indexOf(label);
    if (index >= 0) return index;
    throw new PareError('data/classes', `"${name}" has a class "${label}" that its header does not list.`, {
      where: name,
      expected: classes.join(', '),
      got: label,
    });
  });
  return inMemory({ name, inputs, labels: { dtype: 'int64', dims: [], data: numbers }, classes });
}

/**
 * Series as data: every dimension standardised with the mean and spread of the training series.
 *
 * Shapes   input `x` [steps, dimensions]; labels [] (classes) or [1] (a number to predict).
 * Throws   data/series with the line of what cannot be read; data/classes; data/empty.
 */
export function fromSeries(
  text: string,
  where: string,
  { test, validation, encoding }: { test?: string; validation?: string; encoding?: SeriesEncoding } = {},
): Splits & { readonly encoding: SeriesEncoding } {
  const series = readSeries(text, where);
  const known = encoding ?? fitSeries(series);
  const part = (words: string, role: string): Dataset =>
    encodeSeries(`${baseName(where)} (${role})`, readSeries(words, `${where} (${role})`), known);
  return {
    train: encodeSeries(baseName(where), series, known),
    ...(validation !== undefined && { validation: part(validation, 'validation') }),
    ...(test !== undefined && { test: part(test, 'test') }),
    encoding: known,
  };
}
