/** Samples with names and shapes: what a data set is, and the one that lies in memory. */

import { PareError } from '../base/error.ts';
import type { DType, TypedArray } from '../graph/dtype.ts';
import { sizeOf, toHalf } from '../graph/tensor.ts';

/** What one sample of a column looks like when it is filled. `dims` are without the batch axis. */
export interface Column {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Where the column holds token ids: how many different ones there are. */
  readonly tokens?: number;
  /** One value for all samples, without a batch axis: a sample rate, a flag. */
  readonly whole?: true;
  /** Where the batch axis stands before, among `dims`: 1 for the state of many recurrent networks. Default 0. */
  readonly batchAxis?: number;
}

/** Dimensions of so many samples of a column. */
export const batchDims = ({ dims, whole, batchAxis = 0 }: Column, samples: number): readonly number[] =>
  whole ? dims : [...dims.slice(0, batchAxis), samples, ...dims.slice(batchAxis)];

/** What `labels` mean: class numbers, numbers to predict, or nothing. */
export type Task = 'classification' | 'regression' | 'unlabelled';

/**
 * N samples that can be written, in any order, into memory that the engine reads.
 *
 * An interface on purpose: a source whose samples do not fit in memory implements `fill` itself.
 */
export interface Dataset {
  readonly name: string;
  /** Number of samples. */
  readonly size: number;
  /** What a model is fed, by name; one unnamed array is called `x`. */
  readonly inputs: Readonly<Record<string, Column>>;
  /** int64 [] for classes, float32 [k] for regression; absent when unlabelled. */
  readonly labels?: Column;
  readonly task: Task;
  /** Names of the classes, by class number. */
  readonly classes?: readonly string[];
  /**
   * Writes the samples with these numbers one after the other (along the column's batch axis), normalised and in the column's layout.
   *
   * Shapes   into holds indices.length · sizeOf(dims) elements of the column's dtype (16-bit floats as bits).
   * Throws   data/column for a name that is neither an input nor `labels`; data/fill when `into` has another size;
   *          data/index for a number outside the set.
   */
  fill(column: string, indices: ArrayLike<number>, into: TypedArray): void;
  /**
   * Brings samples near that are filled soon, for sources that do not lie in memory: their `fill` is then quick. Meanwhile the caller
   * may go on.
   */
  prepare?(indices: ArrayLike<number>): Promise<void>;
  /** The set as an epoch of training sees it, where that differs (augmentation): a pure function of the epoch. */
  atEpoch?(epoch: number): Dataset;
}

/** An array of N samples as it is kept: compact, with the affine map to the values that a network sees. */
export interface Stored extends Column {
  /** Number of samples · sizeOf(dims) elements, sample by sample. */
  readonly data: TypedArray;
  /** value = stored · scale + shift; one number, or one for each index of `channelAxis`. Default 1 and 0. */
  readonly scale?: number | readonly number[];
  readonly shift?: number | readonly number[];
  /** The axis of `dims` that `scale` and `shift` run along. Default 0 (channels first). */
  readonly channelAxis?: number;
}

/** The name under which `fill` hands out the targets. */
export const LABELS = 'labels';

export interface InMemory {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly labels?: Stored;
  readonly task?: Task;
  readonly classes?: readonly string[];
}

/**
 * A data set over arrays in memory; nothing is copied.
 *
 * `task` defaults to classification for integer labels, regression for the others.
 *
 * Throws   data/length when the arrays do not hold the same number of samples; data/empty when they hold none.
 */
export function inMemory({ name, inputs, labels, task, classes }: InMemory): Dataset {
  const columns: Record<string, Stored> = { ...inputs, ...(labels && { [LABELS]: labels }) };
  const counts = Object.entries(columns).flatMap(([key, { data, dims, whole }]) =>
    whole ? [] : [[key, data.length / sizeOf(dims)] as const],
  );
  const [first, size] = counts[0] ?? ['', 0];
  for (const [key, count] of counts) {
    if (count === size) continue;
    throw new PareError('data/length', `"${name}" has ${size} samples of ${first} but ${count} of ${key}.`, {
      where: name,
      expected: `${size} samples of ${key}`,
      got: `${count}`,
    });
  }
  if (!size) throw new PareError('data/empty', `"${name}" holds no samples.`, { where: name });
  const fills = new Map(Object.entries(columns).map(([key, stored]) => [key, filler(stored)]));
  return {
    name,
    size,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([key, { dtype, dims, tokens, whole }]) => [
        key,
        { dtype, dims, ...(tokens !== undefined && { tokens }), ...(whole && { whole }) },
      ]),
    ),
    ...(labels && { labels: { dtype: labels.dtype, dims: labels.dims } }),
    task: task ?? (labels ? (labels.dtype.startsWith('float') ? 'regression' : 'classification') : 'unlabelled'),
    ...(classes && { classes }),
    fill(column, indices, into) {
      const fill = fills.get(column);
      if (!fill) throw noColumn(name, column, fills.keys());
      checkFill(name, column, columns[column]!, size, indices, into);
      fill(columns[column]!.whole ? [0] : indices, into);
    },
  };
}

/** The error for a column that a data set does not have. */
export const noColumn = (name: string, column: string, known: Iterable<string>): PareError =>
  new PareError('data/column', `"${name}" has no column "${column}".`, {
    where: name,
    expected: [...known].join(', '),
    got: column,
  });

/** Every sample exists and `into` has exactly their room. */
export function checkFill(
  name: string,
  column: string,
  one: Column,
  size: number,
  indices: ArrayLike<number>,
  into: TypedArray,
): void {
  const room = sizeOf(batchDims(one, indices.length));
  if (into.length !== room) {
    throw new PareError(
      'data/fill',
      `${indices.length} samples of ${column} [${one.dims.join(', ')}] need other room.`,
      {
        where: name,
        expected: `${room} elements`,
        got: `${into.length}`,
      },
    );
  }
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (index >= 0 && index < size) continue;
    throw new PareError('data/index', `"${name}" has no sample ${index}.`, {
      where: name,
      expected: `0 to ${size - 1}`,
    });
  }
}

type Fill = (indices: ArrayLike<number>, into: TypedArray) => void;

/** The quickest way to write samples of this array: a block copy, or one multiply-add per element. */
function filler({ dtype, dims, data, scale = 1, shift = 0, channelAxis = 0 }: Stored): Fill {
  const sample = sizeOf(dims);
  const plain = isOne(scale, 1) && isOne(shift, 0);
  if (plain) {
    return (indices, into) => {
      if (into.constructor !== data.constructor) return convert(data, sample, dtype, indices, into);
      const target = into as Float32Array;
      for (let i = 0; i < indices.length; i++) {
        const at = indices[i]! * sample;
        target.set(data.subarray(at, at + sample) as Float32Array, i * sample);
      }
    };
  }
  const channels = dims[channelAxis] ?? 1;
  const inner = sizeOf(dims.slice(channelAxis + 1));
  const a = Float64Array.from({ length: channels }, (_, c) => (typeof scale === 'number' ? scale : scale[c]!));
  const b = Float64Array.from({ length: channels }, (_, c) => (typeof shift === 'number' ? shift : shift[c]!));
  const from = data as Float32Array;
  return (indices, into) => {
    if (dtype === 'float16') return throughFloats(indices, into);
    affine(indices, into as Float32Array);
  };

  function affine(indices: ArrayLike<number>, into: Float32Array): void {
    let at = 0;
    for (let i = 0; i < indices.length; i++) {
      const end = (indices[i]! + 1) * sample;
      let read = end - sample;
      if (inner === 1) {
        while (read < end) for (let c = 0; c < channels; c++) into[at++] = from[read++]! * a[c]! + b[c]!;
        continue;
      }
      while (read < end) {
        for (let c = 0; c < channels; c++) {
          const [m, k] = [a[c]!, b[c]!];
          for (const stop = read + inner; read < stop; ) into[at++] = from[read++]! * m + k;
        }
      }
    }
  }

  function throughFloats(indices: ArrayLike<number>, into: TypedArray): void {
    const floats = new Float32Array(into.length);
    affine(indices, floats);
    for (let i = 0; i < floats.length; i++) into[i] = toHalf(floats[i]!);
  }
}

/** Copies with a change of element type: numbers to int64 and back, floats to half bits. */
function convert(data: TypedArray, sample: number, dtype: DType, indices: ArrayLike<number>, into: TypedArray): void {
  const big = into instanceof BigInt64Array || into instanceof BigUint64Array;
  const half = dtype === 'float16' && into instanceof Uint16Array;
  let at = 0;
  for (let i = 0; i < indices.length; i++) {
    const start = indices[i]! * sample;
    for (let j = start; j < start + sample; j++) {
      const value = data[j]!;
      into[at++] = big ? BigInt(value) : half ? toHalf(Number(value)) : Number(value);
    }
  }
}

const isOne = (map: number | readonly number[], neutral: number): boolean =>
  typeof map === 'number' ? map === neutral : map.every((value) => value === neutral);

/**
 * The class number of every sample.
 *
 * Throws   data/unlabelled when the set has no class labels.
 */
export function classesOf(dataset: Dataset): Int32Array {
  if (dataset.task !== 'classification' || !dataset.labels) {
    throw new PareError('data/unlabelled', `"${dataset.name}" has no class labels.`, {
      where: dataset.name,
      expected: 'classification',
      got: dataset.task,
    });
  }
  const all = Int32Array.from({ length: dataset.size }, (_, i) => i);
  const out = new Int32Array(dataset.size);
  dataset.fill(LABELS, all, out);
  return out;
}
