/**
 * CIFAR-10 as its authors publish it: records of a label byte and 3 x 32 x 32 bytes, five files to train, one to test.
 *
 * Source   Krizhevsky 2009, www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
 */

import { PareError } from '../base/error.ts';
import { type Dataset, inMemory } from './dataset.ts';
import { join, kindAt, readBytes } from './disk.ts';
import { frameAll } from './pixels.ts';
import { type ImageOptions, imageColumn } from './preprocess.ts';
import type { Splits } from './subset.ts';

const CLASSES = 'airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck'.split(',');
const AREA = 3 * 32 * 32;
const ARCHIVE = 'cifar-10-binary.tar.gz';
const FOLDER = 'cifar-10-batches-bin';

/**
 * CIFAR-10 from its archive or its unpacked folder; undefined when neither is in `folder`.
 *
 * Throws   data/cifar for a file that is not made of whole records, or is missing.
 */
export async function openCifarFolder(folder: string, options: ImageOptions = {}): Promise<Splits | undefined> {
  const unpacked = join(folder, FOLDER);
  let read: (name: string) => Promise<Uint8Array>;
  if ((await kindAt(unpacked)) === 'folder') read = (name) => readBytes(join(unpacked, name));
  else if ((await kindAt(join(folder, ARCHIVE))) === 'file') {
    const members = readTar(await readBytes(join(folder, ARCHIVE)));
    read = async (name) => members.get(`${FOLDER}/${name}`) ?? new Uint8Array(0);
  } else return undefined;
  const part = async (name: string, files: readonly string[]): Promise<Dataset> => {
    const records: Uint8Array[] = [];
    for (const file of files) {
      const bytes = await read(file);
      if (bytes.length && bytes.length % (AREA + 1) === 0) records.push(bytes);
      else {
        throw new PareError('data/cifar', `"${file}" of CIFAR-10 is damaged or missing.`, {
          where: folder,
          expected: `records of ${AREA + 1} bytes`,
          got: `${bytes.length} bytes`,
        });
      }
    }
    return fromRecords(`cifar10 (${name})`, records, options);
  };
  return {
    train: await part(
      'train',
      [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    ),
    test: await part('test', ['test_batch.bin']),
  };
}

function fromRecords(name: string, files: readonly Uint8Array[], options: ImageOptions): Dataset {
  const count = files.reduce((sum, bytes) => sum + bytes.length / (AREA + 1), 0);
  const pixels = new Uint8Array(count * AREA);
  const labels = new Uint8Array(count);
  let i = 0;
  for (const bytes of files) {
    for (let at = 0; at < bytes.length; at += AREA + 1, i++) {
      labels[i] = bytes[at]!;
      pixels.set(bytes.subarray(at + 1, at + 1 + AREA), i * AREA);
    }
  }
  const fitted = frameAll(pixels, count, { channels: 3, height: 32, width: 32, layout: 'nchw' }, options);
  return inMemory({
    name,
    inputs: { x: imageColumn(fitted.pixels, fitted.shape, options) },
    labels: { dtype: 'int64', dims: [], data: labels },
    classes: CLASSES,
  });
}

/** The plain files of a tar, by name. Source: POSIX.1-1988 ustar; blocks of 512 bytes, sizes in octal. */
function readTar(bytes: Uint8Array): Map<string, Uint8Array> {
  const text = (at: number, length: number): string =>
    String.fromCharCode(...bytes.subarray(at, at + length)).replace(/[\0 ].*$/s, '');
  const out = new Map<string, Uint8Array>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8) || 0;
    const type = bytes[at + 156]!;
    if (type === 0 || type === 0x30) out.set(text(at, 100), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return out;
}
