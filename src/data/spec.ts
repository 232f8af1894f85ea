/** From the word after `--data` to data sets: one table of the forms a SPEC can take. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import type { Dim } from '../graph/model.ts';
import { type ArrayOptions, fromArrays } from './arrays.ts';
import { readTable } from './csv.ts';
import type { Dataset } from './dataset.ts';
import { isImageName } from './decode.ts';
import { baseName, join, kindAt, list, missing, readBytes } from './disk.ts';
import { glyphs } from './glyphs.ts';
import { isIdxName, openIdxFolder } from './idx-folder.ts';
import { openImageFolder } from './image-folder.ts';
import { KNOWN, type KnownOptions, openKnown } from './known.ts';
import { type NoiseOptions, noise, openAxes } from './noise.ts';
import { readNpy, readNpz } from './npy.ts';
import { isLarge, openNpyFile, openNpyFolder } from './npy-folder.ts';
import { readParquet } from './parquet.ts';
import { bind, type Port } from './port.ts';
import type { ImageOptions, Layout } from './preprocess.ts';
import { readSafetensors } from './safetensors.ts';
import { siblingsOf } from './siblings.ts';
import { fromTable, type SplitTableOptions } from './split-table.ts';
import { type Splits, split } from './subset.ts';
import type { Table, TableEncoding } from './table.ts';
import { fromSeries, type SeriesEncoding } from './time-series.ts';
import { type WindowOptions, windows } from './windows.ts';

export interface DataOptions
  extends ImageOptions,
    Pick<ArrayOptions, 'task'>,
    Pick<SplitTableOptions, 'label' | 'ignore' | 'length' | 'vocabulary' | 'tokenizer'>,
    Pick<KnownOptions, 'folders' | 'fetch'>,
    Pick<NoiseOptions, 'dims' | 'open' | 'below'> {
  /** The model's inputs: data sets then come under their names, and `random` needs them. */
  readonly ports?: readonly Port[];
  /** Default 0. */
  readonly seed?: number;
  /** For `glyphs` and `random`: samples to train on and to test on, and (glyphs) the side of a picture in pixels. */
  readonly train?: number;
  readonly test?: number;
  readonly size?: number;
  /** For tables: share of the rows held back as test, 0 to 1; 0 also leaves files beside it alone. Default 0.2. */
  readonly held?: number;
  /** For tables whose rows are steps in order: samples are windows over them, and the last rows are held back. */
  readonly window?: WindowOptions;
  /** Read further rows as another file of the same kind was read. */
  readonly encoding?: TableEncoding | SeriesEncoding;
}

/** Where a model's metadata keeps how its training data became numbers, as JSON. */
export const ENCODING = 'pare.encoding';

/** What a SPEC stands for. */
export interface Data extends Splits {
  /** What a user should know before trusting a figure: random inputs, missing cells, rows left out. */
  readonly notes: readonly string[];
  /** How texts became numbers; hand it back as `encoding` to read further rows in the same way. */
  readonly encoding?: TableEncoding | SeriesEncoding;
}

type Opened = Splits & Partial<Pick<Data, 'notes' | 'encoding'>>;
type Opener = (path: string, options: DataOptions) => Promise<Opened>;

/** Sets that need no path. */
const NAMES: Readonly<Record<string, Opener>> = {
  glyphs: async (_, options) => {
    const port = options.ports?.length === 1 ? options.ports[0] : undefined;
    const [channels, side] = options.layout === 'nhwc' ? [3, 1] : [1, 3];
    const isChannels = port?.dims[channels] === 1 || port?.dims[channels] === 3;
    const asked =
      options.size ?? (isChannels && typeof port?.dims[side] === 'number' ? (port.dims[side] as number) : undefined);
    return glyphs({
      ...options,
      ...(asked !== undefined && { size: asked }),
      ...(options.channels === undefined && isChannels && { channels: port!.dims[channels] as 1 | 3 }),
    });
  },
  random: async (_, { ports, train, ...options }) => {
    if (!ports)
      throw new PareError('data/port', 'Random data needs a model to take its shapes from.', { where: 'random' });
    return {
      train: noise(ports, { ...options, size: train ?? 256 }),
      notes: ['inputs are random: structure and speed can be judged, accuracy cannot', ...openAxes(ports, options)],
    };
  },
  ...Object.fromEntries(Object.keys(KNOWN).map((name): [string, Opener] => [name, openKnown])),
};

/** A text in UTF-8, or in the UTF-16 that its first two bytes tell. */
async function text(path: string): Promise<string> {
  const bytes = await readBytes(path);
  const mark = (bytes[0]! << 8) | bytes[1]!;
  return new TextDecoder(mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8').decode(bytes);
}

/** Tables, by what reads them; files beside a training table that are called test or dev are its other parts. */
const table =
  (read: (path: string) => Promise<Table>): Opener =>
  async (path, { test: _count, held, encoding, window, ...options }) => {
    const siblings = held === 0 || window ? {} : await siblingsOf(path);
    const [whole, validation, test] = await Promise.all(
      [path, siblings.validation, siblings.test].map((file) => (file === undefined ? undefined : read(file))),
    );
    const length = options.length ?? tokensOf(options.ports);
    const splits = fromTable(
      whole!,
      path,
      {
        ...options,
        ...(length !== undefined && { length }),
        ...(held !== undefined && { test: held }),
        ...(encoding && 'columns' in encoding && { encoding, test: held ?? 0.2 }),
        ...(window && { isSeries: true }),
      },
      { validation, test },
    );
    if (!window) return splits;
    return {
      ...splits,
      train: windows(splits.train, window),
      ...(splits.test && { test: windows(splits.test, window) }),
    };
  };
const csv = table(async (path) => readTable(await text(path), path));

/** The number of tokens that a model insists on. */
const tokensOf = (ports: readonly Port[] | undefined): number | undefined => {
  const dim = ports?.find(({ dims, dtype }) => dims.length === 2 && dtype.startsWith('int'))?.dims[1];
  return typeof dim === 'number' ? dim : undefined;
};

const series: Opener = async (path, { encoding, held }) => {
  const { validation, test } = held === 0 ? {} : await siblingsOf(path);
  return fromSeries(await text(path), path, {
    ...(validation !== undefined && { validation: await text(validation) }),
    ...(test !== undefined && { test: await text(test) }),
    ...(encoding && 'kind' in encoding && { encoding }),
  });
};

/** Files by their ending. */
const ENDINGS: Readonly<Record<string, Opener>> = {
  csv,
  tsv: csv,
  ts: series,
  npz: async (path, options) => fromArrays(baseName(path), readNpz(await readBytes(path), path), options),
  npy: async (path, options) =>
    (await isLarge(path))
      ? openNpyFile(path, options)
      : fromArrays(baseName(path), { x: readNpy(await readBytes(path), path) }, options),
  safetensors: async (path, options) =>
    fromArrays(baseName(path), readSafetensors(await readBytes(path), path), options),
  parquet: table(async (path) => readParquet(await readBytes(path), path)),
};

/**
 * The data that a SPEC names: `glyphs`, `random`, `mnist`, `fashion-mnist`, `cifar10`, a folder or a file.
 *
 * With `ports`, every set comes under the model's own input names, reshaped and converted where that is harmless.
 *
 * Throws   data/missing for a path where nothing is; data/format for a file of unknown kind; data/empty for an empty
 *          folder; and what the reader of the source throws.
 */
export async function openData(spec: string, options: DataOptions = {}): Promise<Data> {
  const { ports } = options;
  const layout = options.layout ?? layoutOf(ports);
  const opened = await openSpec(spec, { ...options, ...(layout && { layout }) });
  const bound = (dataset: Dataset | undefined): Dataset | undefined =>
    dataset && ports ? bind(dataset, ports) : dataset;
  const [validation, test] = [bound(opened.validation), bound(opened.test)];
  return {
    train: bound(opened.train)!,
    ...(validation && { validation }),
    ...(test && { test }),
    notes: opened.notes ?? [],
    ...(opened.encoding && { encoding: opened.encoding }),
  };
}

async function openSpec(spec: string, options: DataOptions): Promise<Opened> {
  if (Object.hasOwn(NAMES, spec)) return NAMES[spec]!(spec, options);
  const kind = await kindAt(spec);
  if (kind === 'folder') return openFolder(spec, options);
  const ending = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(spec)?.[1]?.toLowerCase() ?? '';
  if (kind === undefined) {
    const near = nearest(spec, Object.keys(NAMES));
    const error = missing(spec);
    throw near && !spec.includes('/') && !ending
      ? new PareError(error.code, `There is nothing at "${spec}"; did you mean "${near}"?`, error.detail)
      : error;
  }
  const open = ENDINGS[ending];
  if (open) return open(spec, options);
  throw new PareError('data/format', `Pare does not know what kind of data "${spec}" is.`, {
    where: spec,
    expected: `a folder, or a file ending in ${Object.keys(ENDINGS).join(', ')}`,
  });
}

async function openFolder(folder: string, options: DataOptions): Promise<Opened> {
  const { files, folders } = await list(folder);
  if (files.some((file) => /\.npy$/i.test(file))) return openNpyFolder(folder, files, options);
  if (files.some(isIdxName)) return openIdxFolder(folder, options);
  if (folders.length || files.some(isImageName)) return openImageFolder(folder, withSize(options));
  throw new PareError('data/empty', `"${folder}" holds no data that Pare reads.`, {
    where: folder,
    expected: 'IDX or NPY files, a folder of images per class, or images',
    got: files.length ? `${files.length} other files, such as ${join(folder, files[0]!)}` : 'an empty folder',
  });
}

/** Channels last, where the only input is of images and says so: [N, H, W, 3]. */
function layoutOf(ports: readonly Port[] | undefined): Layout | undefined {
  const [first, ...others] = ports?.map(({ dims }) => dims) ?? [];
  const isChannels = (dim: Dim | undefined): boolean => dim === 1 || dim === 3;
  return first?.length === 4 && others.length === 0 && isChannels(first[3]) && !isChannels(first[1])
    ? 'nhwc'
    : undefined;
}

/** Without a size, images take the one that the model states (imagenet: shorter side to 256 / 224 of it, then cut). */
function withSize(options: DataOptions): ImageOptions {
  const port = options.ports?.length === 1 ? options.ports[0] : undefined;
  const [c, h, w] = options.layout === 'nhwc' ? [3, 1, 2] : [1, 2, 3];
  const [channels, height, width] = [port?.dims[c], port?.dims[h], port?.dims[w]];
  if (port?.dims.length !== 4 || typeof height !== 'number' || typeof width !== 'number') return options;
  const side = Math.max(height, width);
  const shorter = options.preset === 'imagenet' ? Math.round((side * 256) / 224) : side;
  const sized =
    options.resize !== undefined || options.crop !== undefined
      ? {}
      : { resize: shorter, crop: [height, width] as const };
  const coloured = options.channels === undefined && (channels === 1 || channels === 3) ? { channels } : {};
  return { ...options, ...sized, ...(coloured as Pick<ImageOptions, 'channels'>) };
}

/**
 * The same data with a test set: its own, else its validation set, else a share held back from train.
 *
 * `share` defaults to 0.1.
 */
export function withTest(data: Data, { share = 0.1, seed = 0 } = {}): Data & { readonly test: Dataset } {
  const test = data.test ?? data.validation;
  if (test) return { ...data, test };
  const { train, test: held } = split(data.train, { test: share, seed });
  return { ...data, train, test: held! };
}
