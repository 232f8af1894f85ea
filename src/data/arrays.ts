/** Named arrays (of a .npz, .npy or .safetensors file) as a data set: inputs by name, `labels` or `y` for targets. */

import { PareError } from '../base/error.ts';
import type { DType } from '../graph/dtype.ts';
import { fromBrain, fromHalf } from '../graph/tensor.ts';
import { type Dataset, inMemory, LABELS, type Stored, type Task } from './dataset.ts';
import type { NdArray } from './idx.ts';
import { type ImageOptions, normalisation } from './preprocess.ts';
import type { Splits } from './subset.ts';

export interface ArrayOptions extends Pick<ImageOptions, 'preset' | 'mean' | 'std' | 'scale'> {
  /** The array that holds the targets. Default: `labels`, else `y`. */
  readonly label?: string;
  /** Default: classification for integers in one axis and for rows with a single 1, regression for the others. */
  readonly task?: Exclude<Task, 'unlabelled'>;
}

/** How an array's name says which part it belongs to. */
export const SPLIT = { train: /[_.]train$/, validation: /[_.](val|valid|validation)$/, test: /[_.]test$/ };

/**
 * Splits and data sets from named arrays; axis 0 counts the samples.
 *
 * `x_train`, `y_train`, `x_test`, … are taken as splits (the suffix leaves the name), else all arrays are `train`.
 * Targets that are texts become classes, numbered in alphabetical order. An array without axes is a setting, the same for all samples. Half and double floats come as float32, integers as they are; uint8 arrays become float32 by the image options when
 * one of preset, mean, std or scale is given (along axis 1 when it is 3 long, else the last).
 *
 * Throws   data/inputs when only targets are there, or when inputs are texts; data/scalar for targets without axes; data/length when arrays
 *          differ in their number of samples; data/column for a `label` that is not there.
 */
export function fromArrays(
  name: string,
  arrays: Readonly<Record<string, NdArray>>,
  options: ArrayOptions = {},
): Splits {
  const roles = Object.keys(SPLIT) as (keyof typeof SPLIT)[];
  const parts = new Map<keyof Splits, Record<string, NdArray>>();
  const split = Object.keys(arrays).some((key) => SPLIT.train.test(key));
  for (const [key, array] of Object.entries(arrays)) {
    const role = split ? roles.find((r) => SPLIT[r].test(key)) : undefined;
    const part = parts.get(role ?? 'train') ?? {};
    part[role ? key.replace(SPLIT[role], '') : key] = array;
    parts.set(role ?? 'train', part);
  }
  const classes = classesIn([...parts.values()], options);
  const open = (role: keyof Splits): Dataset | undefined => {
    const part = parts.get(role);
    return part && onePart(split ? `${name} (${role})` : name, part, options, classes);
  };
  const [train, validation, test] = [open('train'), open('validation'), open('test')];
  if (!train) throw new PareError('data/empty', `"${name}" holds no arrays.`, { where: name });
  return { train, ...(validation && { validation }), ...(test && { test }) };
}

/** The array of targets, where there is one. */
const targetIn = (arrays: Readonly<Record<string, NdArray>>, { label }: ArrayOptions): string | undefined =>
  label ?? [LABELS, 'y'].find((key) => key in arrays);

/** The texts that are targets in any of the parts, sorted; undefined where targets are numbers. */
function classesIn(
  parts: readonly Readonly<Record<string, NdArray>>[],
  options: ArrayOptions,
): readonly string[] | undefined {
  const all = parts.flatMap((arrays) => arrays[targetIn(arrays, options) ?? '']?.classes ?? []);
  return all.length > 0 ? [...new Set(all)].sort() : undefined;
}

function onePart(
  name: string,
  arrays: Readonly<Record<string, NdArray>>,
  options: ArrayOptions,
  classes: readonly string[] | undefined,
): Dataset {
  if (options.label !== undefined && !arrays[options.label]) {
    throw new PareError('data/column', `"${name}" has no array "${options.label}" for the targets.`, {
      where: name,
      expected: Object.keys(arrays).join(', '),
    });
  }
  const label = targetIn(arrays, options);
  if (label !== undefined && arrays[label]!.dims.length === 0) {
    throw new PareError('data/scalar', `The targets "${label}" of "${name}" have no axis to count samples along.`, {
      where: name,
      expected: '[samples, …]',
      got: 'a scalar',
    });
  }
  const inputs = Object.entries(arrays).filter(([key]) => key !== label);
  if (!inputs.length) {
    throw new PareError('data/inputs', `"${name}" holds targets but nothing to feed.`, {
      where: name,
      expected: 'arrays named after the inputs of the model',
      got: Object.keys(arrays).join(', '),
    });
  }
  const texts = inputs.find(([, array]) => array.classes);
  if (texts) {
    throw new PareError(
      'data/inputs',
      `The array "${texts[0]}" of "${name}" holds texts, which nothing can be fed with.`,
      {
        where: name,
        expected: 'numbers; texts as targets, in an array called labels or y',
        got: texts[1].classes!.slice(0, 3).join(', '),
      },
    );
  }
  return inMemory({
    name,
    ...(classes && { classes }),
    inputs: Object.fromEntries(inputs.map(([key, array]) => [key, inputColumn(array, options)])),
    ...(label !== undefined && labelColumn(amongClasses(arrays[label]!, classes), options.task)),
  });
}

/** Texts by their place among those of all parts. */
function amongClasses(array: NdArray, classes: readonly string[] | undefined): NdArray {
  const own = array.classes;
  if (!own || !classes) return array;
  const places = own.map((text) => BigInt(classes.indexOf(text)));
  return { ...array, data: BigInt64Array.from(array.data as BigInt64Array, (i) => places[Number(i)]!) };
}

export function inputColumn(array: NdArray, options: ArrayOptions): Stored {
  const { dtype, dims, data } = widened(array);
  if (dims.length === 0) return { dtype, dims, data, whole: true };
  const sample = dims.slice(1);
  const asked = options.preset ?? options.mean ?? options.std ?? options.scale;
  if (dtype !== 'uint8' || asked === undefined) return { dtype, dims: sample, data };
  const channelAxis = sample[0] === 3 ? 0 : sample.length - 1;
  const channels = sample.length === 3 && sample[channelAxis] === 3 ? 3 : 1;
  const { scale, shift } = normalisation(options, channels);
  const grey = { dtype: 'float32', dims: sample, data, scale: scale[0]!, shift: shift[0]! } as const;
  return channels === 1 ? grey : { ...grey, scale, shift, channelAxis };
}

export function labelColumn(array: NdArray, forced: ArrayOptions['task']): { labels: Stored; task: Task } {
  const { dtype, dims, data } = widened(array);
  const hot = forced === 'regression' ? undefined : oneHot(dims, data);
  if (hot) return { labels: { dtype: 'int64', dims: [], data: hot }, task: 'classification' };
  const flat = dims.length === 2 && dims[1] === 1 && !dtype.startsWith('float') ? [] : dims.slice(1);
  const task = forced ?? (dtype.startsWith('float') || flat.length ? 'regression' : 'classification');
  return { labels: { dtype: task === 'regression' ? 'float32' : 'int64', dims: flat, data }, task };
}

/** The class of each row where all rows hold a single 1 and else 0. */
function oneHot(dims: readonly number[], data: NdArray['data']): Int32Array | undefined {
  const [rows, classes] = dims;
  if (dims.length !== 2 || classes! < 2) return undefined;
  const hot = new Int32Array(rows!).fill(-1);
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (value === 0) continue;
    const row = Math.floor(i / classes!);
    if (value !== 1 || hot[row] !== -1) return undefined;
    hot[row] = i % classes!;
  }
  return hot.includes(-1) ? undefined : hot;
}

/** Floats of 16 and 64 bits as float32; the rest as it is. */
export function widened({ dtype, dims, data }: NdArray): NdArray {
  const as: DType = 'float32';
  if (dtype === 'float16') return { dtype: as, dims, data: Float32Array.from(data as Uint16Array, fromHalf) };
  if (dtype === 'bfloat16') return { dtype: as, dims, data: Float32Array.from(data as Uint16Array, fromBrain) };
  if (dtype === 'float64') return { dtype: as, dims, data: Float32Array.from(data as Float64Array) };
  return { dtype, dims, data };
}
