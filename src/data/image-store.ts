/** Images that are decoded when they are first asked for, and then kept: in memory while they all fit there, else in a file of their own. */

import { PareError } from '../base/error.ts';
import { sizeOf } from '../graph/tensor.ts';
import { type Dataset, inMemory, LABELS, type Stored } from './dataset.ts';
import { openDecoder } from './decode.ts';
import { openReader, readBytes } from './disk.ts';
import { frame, type Pixels, toChannels } from './pixels.ts';
import { type ImageOptions, imageColumn } from './preprocess.ts';
import { streamed } from './streamed.ts';

/** Decoded bytes that stay in memory. */
const MOST_BYTES = 2 ** 28;
/** Files that are read at the same time. */
const AT_ONCE = 8;

export interface Labelling {
  readonly name: string;
  readonly labels?: Stored;
  readonly classes?: readonly string[];
}

/**
 * The images at these paths as a data set with the input `x`.
 *
 * All have the size of the first one after resizing and cropping. A set that is larger than `memoryBytes` (default 256 MiB) once it is decoded
 * lies in a file in the system's temporary folder, which goes with the process; only what was asked for takes room there.
 * Throws   data/image and data/size, for the first image at once and for the others when they are asked for; what the file system throws
 *          when there is no room.
 */
export async function storeImages(
  paths: readonly string[],
  labelling: Labelling,
  options: ImageOptions,
): Promise<Dataset> {
  const [decode, read] = await Promise.all([openDecoder(), openReader()]);
  const channels = options.channels ?? channelsOf(paths, (path) => decode(read(path), path));
  const framed = (bytes: Uint8Array, path: string): Pixels =>
    about(path, () => toChannels(frame(decode(bytes, path), { ...options, channels }), channels));
  const first = framed(read(paths[0]!), paths[0]!);
  const shape = { channels, height: first.height, width: first.width, layout: 'nhwc' } as const;
  const column = imageColumn(new Uint8Array(0), shape, options);
  const kept = await room(paths.length, column, labelling, options.memoryBytes ?? MOST_BYTES);
  const isKept = new Uint8Array(paths.length);
  const keep = (row: number, bytes: Uint8Array): void => {
    const image = framed(bytes, paths[row]!);
    checkSize(image, first, paths[row]!, paths[0]!);
    kept.write(row, imageColumn(image.data, shape, options).data as Uint8Array);
    isKept[row] = 1;
  };
  const missing = (rows: ArrayLike<number>): number[] => Array.from(rows).filter((row) => isKept[row] === 0);
  return {
    ...kept.images,
    async prepare(rows) {
      const asked = missing(rows);
      for (let at = 0; at < asked.length; at += AT_ONCE) {
        const files = asked.slice(at, at + AT_ONCE).map(async (row) => [row, await readBytes(paths[row]!)] as const);
        for (const [row, bytes] of await Promise.all(files)) keep(row, bytes);
      }
      await kept.images.prepare?.(rows);
    },
    fill(name, rows, into) {
      if (name !== LABELS) for (const row of missing(rows)) keep(row, read(paths[row]!));
      kept.images.fill(name, rows, into);
    },
  };
}

/** Grey, until a coloured image is found. */
const channelsOf = (paths: readonly string[], decoded: (path: string) => Pixels): 1 | 3 =>
  paths.some((path) => decoded(path).channels === 3) ? 3 : 1;

/** What it throws names the file. */
function about<T>(path: string, work: () => T): T {
  try {
    return work();
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

interface Room {
  /** All samples; those that were not written hold nothing. */
  readonly images: Dataset;
  readonly write: (row: number, bytes: Uint8Array) => void;
}

/** Room for so many images of a column, none of it taken up before it is written. */
async function room(size: number, column: Stored, labelling: Labelling, memoryBytes: number): Promise<Room> {
  const bytes = sizeOf(column.dims);
  if (size * bytes <= memoryBytes) {
    const data = new Uint8Array(size * bytes);
    return {
      images: inMemory({ ...labelling, inputs: { x: { ...column, data } } }),
      write: (row, image) => data.set(image, row * bytes),
    };
  }
  const file = await openSpill();
  const { data: _, ...rest } = column;
  const inputs = { x: { ...rest, file: { path: file.path, start: 0 }, stored: 'uint8' as const } };
  const images = await streamed({ ...labelling, inputs, size });
  file.unlink(); // what is open stays readable
  return { images, write: (row, image) => file.write(image, row * bytes) };
}

interface Spill {
  readonly path: string;
  write(bytes: Uint8Array, at: number): void;
  unlink(): void;
}

/** A file for decoded images. Node only. */
async function openSpill(): Promise<Spill> {
  const [{ mkdtempSync, openSync, rmSync, writeSync }, { tmpdir }, { join }] = await Promise.all([
    import('node:fs'),
    import('node:os'),
    import('node:path'),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'pare-images-'));
  const path = join(folder, 'pixels');
  const fd = openSync(path, 'w');
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  return {
    path,
    write(bytes, at) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
    },
    unlink() {
      try {
        remove();
      } catch {
        process.once('exit', remove); // some systems keep what is open
      }
    },
  };
}
