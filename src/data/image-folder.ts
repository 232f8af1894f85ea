/** A folder of PNG, JPEG or WebP files: a folder per class, perhaps under train/ val/ test/, or flat and unlabelled. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { type Dataset, inMemory } from './dataset.ts';
import { decodeImage, isImageName } from './decode.ts';
import { baseName, join, list, readBytes } from './disk.ts';
import { frame, type Pixels, toChannels } from './pixels.ts';
import { type ImageOptions, imageColumn } from './preprocess.ts';
import type { Splits } from './subset.ts';

/** Folder names that mean a split, not a class. */
export const SPLIT_FOLDERS = {
  train: ['train', 'training'],
  validation: ['val', 'valid', 'validation'],
  test: ['test', 'testing'],
} as const;

/** Decoded images stay in memory; beyond this many bytes we refuse and name the way out. */
const MOST_BYTES = 8 * 2 ** 30;

/**
 * The images under `folder`, decoded into memory as bytes.
 *
 * Classes are the folder names in alphabetical order; those of train/ hold for val/ and test/ too. Files that are not
 * called .png, .jpg, .jpeg or .webp are passed over.
 *
 * Shapes   input `x` [C, H, W] (or [H, W, C] with layout nhwc), labels [].
 * Throws   data/empty without an image; data/image with the path of a damaged one; data/size when they differ in size
 *          and no resize + crop was asked for; data/classes when a split has a class that train/ has not;
 *          data/too-large above 8 GiB decoded.
 */
export async function openImageFolder(folder: string, options: ImageOptions = {}): Promise<Splits> {
  const { folders } = await list(folder);
  const splitFolder = (role: keyof typeof SPLIT_FOLDERS): string | undefined =>
    SPLIT_FOLDERS[role].map((name) => folders.find((entry) => entry.toLowerCase() === name)).find(Boolean);
  const inside = splitFolder('train');
  if (!inside) return { train: await openPart(folder, options) };
  const train = await openPart(join(folder, inside), options);
  const like = { ...options, channels: options.channels ?? channelsOf(train, options) };
  const rest = async (role: 'validation' | 'test'): Promise<Dataset | undefined> => {
    const name = splitFolder(role);
    return name === undefined ? undefined : openPart(join(folder, name), like, train.classes);
  };
  const [validation, test] = [await rest('validation'), await rest('test')];
  return { train, ...(validation && { validation }), ...(test && { test }) };
}

const channelsOf = ({ inputs }: Dataset, { layout }: ImageOptions): 1 | 3 =>
  inputs['x']!.dims[layout === 'nhwc' ? 2 : 0] as 1 | 3;

async function openPart(folder: string, options: ImageOptions, known?: readonly string[]): Promise<Dataset> {
  const { files, folders } = await list(folder);
  const paths: string[] = [];
  const labels: number[] = [];
  const classes = known ?? folders;
  for (const name of folders) {
    const images = (await list(join(folder, name))).files.filter(isImageName);
    if (images.length && !classes.includes(name)) throw unknownClass(folder, name, classes);
    for (const file of images) {
      paths.push(join(folder, name, file));
      labels.push(classes.indexOf(name));
    }
  }
  const labelled = paths.length > 0;
  if (!labelled) paths.push(...files.filter(isImageName).map((file) => join(folder, file)));
  if (!paths.length) {
    throw new PareError('data/empty', `"${folder}" holds no images.`, {
      where: folder,
      expected: 'PNG, JPEG or WebP files, in a folder per class or side by side',
      got: `${files.length} other files, ${folders.length} folders`,
    });
  }
  const images = await decodeAll(paths, options);
  const { width, height, channels } = images[0]!;
  const pixels = new Uint8Array(images.length * width * height * channels);
  images.forEach((image, i) => void pixels.set(image.data, i * image.data.length));
  return inMemory({
    name: baseName(folder),
    inputs: { x: imageColumn(pixels, { channels, height, width, layout: 'nhwc' }, options) },
    ...(labelled && { labels: { dtype: 'int64', dims: [], data: Int32Array.from(labels) }, classes }),
  });
}

/** Every image, fitted; all of one size and one number of channels. */
async function decodeAll(paths: readonly string[], options: ImageOptions): Promise<Pixels[]> {
  const images: Pixels[] = [];
  let bytes = 0;
  for (const path of paths) {
    const decoded = await decodeImage(await readBytes(path), path);
    let image: Pixels;
    try {
      image = frame(decoded, options);
    } catch (thrown) {
      if (thrown instanceof PareError)
        throw new PareError(thrown.code, thrown.message, { ...thrown.detail, where: path });
      throw thrown;
    }
    const first = images[0];
    if (first && (image.width !== first.width || image.height !== first.height)) {
      throw new PareError('data/size', 'The images differ in size, and a batch needs one size.', {
        where: path,
        expected: `${first.width} x ${first.height}, as ${paths[0]}`,
        got: `${image.width} x ${image.height}`,
        hint: 'give --resize and --crop',
      });
    }
    images.push(image);
    bytes += image.data.length;
    if (bytes > MOST_BYTES) {
      throw new PareError('data/too-large', 'These images need more than 8 GiB of memory once decoded.', {
        where: path,
        hint: 'give a smaller --resize and --crop, or a part of the images',
      });
    }
  }
  const channels = images.some((image) => image.channels === 3) ? 3 : 1;
  return images.map((image) => toChannels(image, channels));
}

const unknownClass = (folder: string, name: string, classes: readonly string[]): PareError => {
  const near = nearest(name, classes);
  return new PareError('data/classes', `"${folder}" has a class "${name}" that the training images do not have.`, {
    where: join(folder, name),
    expected: classes.join(', '),
    ...(near && { hint: `is it "${near}"?` }),
  });
};
