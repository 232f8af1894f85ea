/** A folder of IDX files: images (or other arrays) paired with labels by the beginning of their names. */

import { PareError } from '../base/error.ts';
import { sizeOf } from '../graph/tensor.ts';
import { type Dataset, inMemory, type Stored } from './dataset.ts';
import { baseName, join, list, readBytes } from './disk.ts';
import { type NdArray, readIdx } from './idx.ts';
import { frameAll } from './pixels.ts';
import { type ImageOptions, imageColumn, type Layout, normalisation } from './preprocess.ts';
import type { Splits } from './subset.ts';

const IDX = /[-.]idx\d+-[a-z0-9]+(\.gz)?$/i;
const ROLES = { test: /(^|[-_.])(test|t10k)/i, validation: /(^|[-_.])val/i, train: /(^|[-_.])train/i };

export const isIdxName = (name: string): boolean => IDX.test(name);

interface Pair {
  readonly samples: string;
  readonly labels?: string;
  readonly role: 'train' | 'validation' | 'test' | 'other';
}

/**
 * Which file goes with which, in alphabetical order of the samples.
 *
 * `A-labels-idx…` belongs to the sample file whose name begins with `A-`, the longest such A winning.
 */
export function pairUp(names: readonly string[]): Pair[] {
  const labels = names.filter((name) => IDX.test(name) && /labels/i.test(name));
  const samples = names.filter((name) => IDX.test(name) && !/labels/i.test(name));
  return samples.sort().map((name) => {
    const mine = labels
      .map((label) => ({ label, prefix: label.slice(0, label.search(/labels/i)) }))
      .filter(({ prefix }) => name.startsWith(prefix))
      .sort((p, q) => q.prefix.length - p.prefix.length)[0]?.label;
    const role = (Object.keys(ROLES) as (keyof typeof ROLES)[]).find((key) => ROLES[key].test(name)) ?? 'other';
    return { samples: name, ...(mine && { labels: mine }), role };
  });
}

/**
 * The data set in a folder of IDX files.
 *
 * Of several pairs, the first (alphabetically) called train… trains, test… or t10k… tests, val… validates; without
 * any called train…, the first that neither tests nor validates trains, and a lone pair trains whatever its name.
 * uint8 arrays of 3 or 4 axes are images: [N, H, W], or NCHW / NHWC as the file's name says, else as the axis of 1 or 3
 * tells. Other arrays come as float32: int16 (sound) divided by 32768 unless `scale` is given, the rest as stored.
 * `classes.txt` or `synsets.txt`, a class a line, names the classes.
 *
 * Throws   data/idx for a broken file, data/length when labels and samples differ in number, data/layout when the
 *          channel axis cannot be told, data/empty when there is no IDX file.
 */
export async function openIdxFolder(folder: string, options: ImageOptions = {}): Promise<Splits> {
  const { files } = await list(folder);
  const pairs = pairUp(files);
  const of = (role: Pair['role']): Pair | undefined => pairs.find((pair) => pair.role === role);
  const train = of('train') ?? of('other') ?? pairs[0];
  if (!train) throw new PareError('data/empty', `"${folder}" holds no IDX samples.`, { where: folder });
  const classes = await readClasses(folder, files);
  const open = (pair: Pair): Promise<Dataset> => openPair(folder, pair, classes, options);
  const [validation, test] = [of('validation'), of('test')];
  return {
    train: await open(train),
    ...(validation && validation !== train && { validation: await open(validation) }),
    ...(test && test !== train && { test: await open(test) }),
  };
}

async function openPair(
  folder: string,
  pair: Pair,
  names: string[] | undefined,
  options: ImageOptions,
): Promise<Dataset> {
  const path = join(folder, pair.samples);
  const x = samplesColumn(readIdx(await readBytes(path), path), path, options);
  const name = `${baseName(folder)}/${pair.samples}`;
  if (!pair.labels) return inMemory({ name, inputs: { x } });
  const where = join(folder, pair.labels);
  const labels = readIdx(await readBytes(where), where);
  const count = x.data.length / sizeOf(x.dims);
  if (labels.dims[0] !== count) {
    throw new PareError('data/length', `"${pair.labels}" does not label each sample of "${pair.samples}".`, {
      where: folder,
      expected: `${count} labels`,
      got: `${labels.dims[0]}`,
    });
  }
  const regression = labels.dtype.startsWith('float');
  const top = regression ? 0 : (labels.data as Uint8Array).reduce((most, label) => Math.max(most, label), 0);
  return inMemory({
    name,
    inputs: { x },
    labels: { dtype: regression ? 'float32' : 'int64', dims: labels.dims.slice(1), data: labels.data },
    ...(names && !regression && names.length > top && { classes: names }),
  });
}

function samplesColumn({ dtype, dims, data }: NdArray, path: string, options: ImageOptions): Stored {
  if (dtype === 'uint8' && (dims.length === 3 || dims.length === 4)) {
    const [count, ...shape] = dims as [number, number, number, number?];
    const layout: Layout = dims.length === 3 ? 'nchw' : layoutOf(path, dims);
    const [channels, height, width] =
      dims.length === 3 ? [1, shape[0], shape[1]] : layout === 'nchw' ? shape : [shape[2]!, shape[0], shape[1]];
    const images = { channels, height, width: width!, layout };
    const fitted = frameAll(data as Uint8Array, count, images, options);
    return imageColumn(fitted.pixels, fitted.shape, options);
  }
  const sample = dims.slice(1);
  if (dtype === 'uint8') {
    const { scale, shift } = normalisation(options, 1);
    return { dtype: 'float32', dims: sample, data, scale: scale[0]!, shift: shift[0]! };
  }
  return { dtype: 'float32', dims: sample, data, scale: options.scale ?? (dtype === 'int16' ? 1 / 32768 : 1) };
}

function layoutOf(path: string, dims: readonly number[]): Layout {
  const said = /nchw|nhwc/i.exec(baseName(path))?.[0].toLowerCase() as Layout | undefined;
  const isChannels = (dim: number | undefined): boolean => dim === 1 || dim === 3;
  const layout = said ?? (isChannels(dims[1]) ? 'nchw' : isChannels(dims[3]) ? 'nhwc' : undefined);
  if (layout) return layout;
  throw new PareError('data/layout', `Which axis of "${path}" is the channels cannot be told.`, {
    where: path,
    expected: 'nchw or nhwc in the name, or an axis of 1 or 3',
    got: `[${dims.join(', ')}]`,
  });
}

async function readClasses(folder: string, files: readonly string[]): Promise<string[] | undefined> {
  const name = files.find((file) => /^(classes|synsets)\.txt$/.test(file));
  if (!name) return undefined;
  const lines = new TextDecoder().decode(await readBytes(join(folder, name))).split(/\r?\n/);
  return lines.map((line) => line.replace(/^n\d{8}\s+/, '').trim()).filter(Boolean);
}
