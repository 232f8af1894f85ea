/** A folder of PNG, JPEG or WebP files: a folder per class, perhaps under train/ val/ test/, or flat and unlabelled. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import type { Dataset } from './dataset.ts';
import { isImageName } from './decode.ts';
import { baseName, join, list } from './disk.ts';
import { storeImages } from './image-store.ts';
import type { ImageOptions } from './preprocess.ts';
import type { Splits } from './subset.ts';

/** Folder names that mean a split, not a class. */
const SPLIT_FOLDERS = {
  train: ['train', 'training'],
  validation: ['val', 'valid', 'validation'],
  test: ['test', 'testing'],
} as const;

/**
 * The images under `folder`, decoded once, and kept as `storeImages` keeps them.
 *
 * Classes are the folder names in alphabetical order; those of train/ hold for val/ and test/ too. Files that are not
 * called .png, .jpg, .jpeg or .webp are passed over.
 *
 * Shapes   input `x` [C, H, W] (or [H, W, C] with layout nhwc), labels [].
 * Throws   data/empty without an image; data/image with the path of a damaged one; data/size when they differ in size
 *          and no resize + crop was asked for; data/classes when a split has a class that train/ has not.
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
  const labelling = {
    name: baseName(folder),
    ...(labelled && { labels: { dtype: 'int64' as const, dims: [], data: Int32Array.from(labels) }, classes }),
  };
  return storeImages(paths, labelling, options);
}

const unknownClass = (folder: string, name: string, classes: readonly string[]): PareError => {
  const near = nearest(name, classes);
  return new PareError('data/classes', `"${folder}" has a class "${name}" that the training images do not have.`, {
    where: join(folder, name),
    expected: classes.join(', '),
    ...(near && { hint: `is it "${near}"?` }),
  });
};
