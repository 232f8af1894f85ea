/** Decoded images of one size: in memory while they fit, beyond that in a file of their own from which batches are read ahead. */

import { PareError } from '../base/error.ts';
import type { Dataset, Stored } from './dataset.ts';
import { inMemory } from './dataset.ts';
import { decodeImage } from './decode.ts';
import { readBytes } from './disk.ts';
import { frame, type Pixels, toChannels } from './pixels.ts';
import { type ImageOptions, imageColumn } from './preprocess.ts';
import { streamed } from './streamed.ts';

/** Decoded bytes that stay in memory. */
const MOST_BYTES = 2 ** 30;

export interface Labelling {
  readonly name: string;
  readonly labels?: Stored;
  readonly classes?: readonly string[];
}

/**
 * The images at these paths as a data set with the input `x`.
 *
 * A set of which more than `memoryBytes` (default 1 GiB) are decoded lies in a file in the system's temporary folder, which goes with the process.
 * Throws   data/image, data/size; what the file system throws when there is no room.
 */
export async function storeImages(
  paths: readonly string[],
  labelling: Labelling,
  options: ImageOptions,
): Promise<Dataset> {
  const { memoryBytes = MOST_BYTES } = options;
  const kept: Pixels[] = [];
  let bytes = 0;
  let file: Spill | undefined;
  let first: Pixels | undefined;
  for (const path of paths) {
    const image = await fitted(path, options);
    first ??= image;
    checkSize(image, first, path, paths[0]!);
    if (file) {
      if (image.channels > file.channels) {
        file.remove();
        return storeImages(paths, labelling, { ...options, channels: 3 });
      }
      file.write(bytesOf(image, file.channels, options));
      continue;
    }
    kept.push(image);
    bytes += image.data.length;
    if (bytes <= memoryBytes) continue;
    const channels = options.channels ?? channelsOf(kept);
    file = await openSpill(channels);
    for (const each of kept.splice(0)) file.write(bytesOf(each, channels, options));
  }
  if (file) {
    const { height, width } = first!;
    const { data: _, ...column } = imageColumn(
      new Uint8Array(0),
      { channels: file.channels, height, width, layout: 'nhwc' },
      options,
    );
    const inputs = { x: { ...column, file: { path: file.path, start: 0 }, stored: 'uint8' as const } };
    const set = await streamed({ ...labelling, inputs, size: paths.length });
    file.remove(); // what is open stays readable
    return set;
  }
  const channels = channelsOf(kept);
  const { height, width } = first!;
  const pixels = new Uint8Array(kept.length * width * height * channels);
  kept.forEach((image, i) => {
    pixels.set(toChannels(image, channels).data, i * width * height * channels);
  });
  return inMemory({
    ...labelling,
    inputs: { x: imageColumn(pixels, { channels, height, width, layout: 'nhwc' }, options) },
  });
}

const channelsOf = (images: readonly Pixels[]): 1 | 3 => (images.some(({ channels }) => channels === 3) ? 3 : 1);

/** An image's bytes in the layout that the model takes. */
function bytesOf(image: Pixels, channels: 1 | 3, options: ImageOptions): Uint8Array {
  const { data, height, width } = toChannels(image, channels);
  return imageColumn(data, { channels, height, width, layout: 'nhwc' }, options).data as Uint8Array;
}

async function fitted(path: string, options: ImageOptions): Promise<Pixels> {
  const decoded = await decodeImage(await readBytes(path), path);
  try {
    return frame(decoded, options);
  } catch (thrown) {
    if (!(thrown instanceof PareError)) throw thrown;
    throw new PareError(thrown.code, thrown.message, { ...thrown.detail, where: path });
  }
}

function checkSize(image: Pixels, first: Pixels, path: string, like: string): void {
  if (image.width === first.width && image.height === first.height) return;
  throw new PareError('data/size', 'The images differ in size, and a batch needs one size.', {
    where: path,
    expected: `${first.width} x ${first.height}, as ${like}`,
    got: `${image.width} x ${image.height}`,
    hint: 'give --resize and --crop',
  });
}

interface Spill {
  readonly path: string;
  readonly channels: 1 | 3;
  write(bytes: Uint8Array): void;
  remove(): void;
}

/** A file for decoded images. Node only. */
async function openSpill(channels: 1 | 3): Promise<Spill> {
  const [{ mkdtempSync, openSync, closeSync, rmSync, writeSync }, { tmpdir }, { join }] = await Promise.all([
    import('node:fs'),
    import('node:os'),
    import('node:path'),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'pare-images-'));
  const path = join(folder, 'pixels');
  const fd = openSync(path, 'w');
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  let isOpen = true;
  return {
    path,
    channels,
    write(bytes) {
      let at = 0;
      while (at < bytes.length) at += writeSync(fd, bytes, at);
    },
    remove() {
      if (isOpen) closeSync(fd);
      isOpen = false;
      try {
        remove();
      } catch {
        process.once('exit', remove); // some systems keep what is open
      }
    },
  };
}
