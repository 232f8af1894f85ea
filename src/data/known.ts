/** Data sets that go by a name: looked for on this machine, else fetched from their official address and checked. */

import { PareError } from '../base/error.ts';
import { openCifarFolder } from './cifar.ts';
import { join, kindAt, list } from './disk.ts';
import { isIdxName, openIdxFolder } from './idx-folder.ts';
import type { ImageOptions } from './preprocess.ts';
import type { Splits } from './subset.ts';

interface Known {
  readonly from: string;
  /** File name and SHA-256 of what is fetched. */
  readonly files: Readonly<Record<string, string>>;
}

/** Where the sets are published; the addresses are those that torchvision and TensorFlow Datasets use. */
export const KNOWN: Readonly<Record<string, Known>> = {
  mnist: {
    from: 'https://ossci-datasets.s3.amazonaws.com/mnist',
    files: {
      'train-images-idx3-ubyte.gz': '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      'train-labels-idx1-ubyte.gz': '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      't10k-images-idx3-ubyte.gz': '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      't10k-labels-idx1-ubyte.gz': 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
    },
  },
  'fashion-mnist': {
    from: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
    files: {
      'train-images-idx3-ubyte.gz': '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
      'train-labels-idx1-ubyte.gz': 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
      't10k-images-idx3-ubyte.gz': '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
      't10k-labels-idx1-ubyte.gz': '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
    },
  },
  cifar10: {
    from: 'https://www.cs.toronto.edu/~kriz',
    files: { 'cifar-10-binary.tar.gz': 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd' },
  },
};

const CLASSES: Readonly<Record<string, readonly string[]>> = {
  'fashion-mnist': 'T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'.split(','),
  mnist: '0123456789'.split(''),
};

export interface KnownOptions extends ImageOptions {
  /** Folders to look in. Default: `$PARE_DATA`, then the user's cache folder, which is also where fetched files go. */
  readonly folders?: readonly string[];
  /** Default: the platform's. */
  readonly fetch?: (url: string) => Promise<Response>;
}

/**
 * The data set of this name, from the first of the folders (or its `<name>` or `images/<name>`) that holds its files.
 *
 * Throws   data/network when it is nowhere here and cannot be fetched; data/checksum when what came is not the
 *          published file; option/unknown for another name.
 */
export async function openKnown(name: string, options: KnownOptions = {}): Promise<Splits> {
  const folders = options.folders ?? defaultFolders();
  for (const folder of folders) {
    for (const place of [join(folder, name), join(folder, 'images', name), folder]) {
      const found = await openPlace(name, place, place === folder, options);
      if (found) return found;
    }
  }
  const into = join(folders.at(-1) ?? '.', name);
  await fetchInto(name, into, options.fetch ?? ((url) => fetch(url)));
  const found = await openPlace(name, into, false, options);
  if (found) return found;
  throw new PareError('data/empty', `"${into}" holds no samples.`, { where: into });
}

/** `$PARE_DATA` (if set), then the cache folder of this platform. */
export function defaultFolders(env: Readonly<Record<string, string | undefined>> = process.env): string[] {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? '.';
  const cache = env['XDG_CACHE_HOME'] ?? env['LOCALAPPDATA'] ?? join(home, '.cache');
  return [...(env['PARE_DATA'] ? [env['PARE_DATA']] : []), join(cache, 'pare')];
}

/** The set in this very folder. A folder that does not bear its name must hold CIFAR's own files to be taken. */
async function openPlace(
  name: string,
  place: string,
  anonymous: boolean,
  options: ImageOptions,
): Promise<Splits | undefined> {
  if ((await kindAt(place)) !== 'folder') return undefined;
  if (name === 'cifar10') {
    const cifar = await openCifarFolder(place, options);
    if (cifar) return cifar;
  }
  if (anonymous || !(await list(place)).files.some(isIdxName)) return undefined;
  const splits = await openIdxFolder(place, options);
  const classes = CLASSES[name];
  if (!classes) return splits;
  return Object.fromEntries(
    Object.entries(splits).map(([role, set]) => [role, { ...set, classes }]),
  ) as unknown as Splits;
}

async function fetchInto(name: string, folder: string, get: (url: string) => Promise<Response>): Promise<void> {
  const { createHash } = await import('node:crypto');
  const { mkdir, rename, writeFile } = await import('node:fs/promises');
  const { from, files } = KNOWN[name]!;
  for (const [file, sha256] of Object.entries(files)) {
    const path = join(folder, file);
    if ((await kindAt(path)) === 'file') continue;
    const url = `${from}/${file}`;
    const bytes = await download(name, url, get);
    const got = createHash('sha256').update(bytes).digest('hex');
    if (got !== sha256) {
      throw new PareError('data/checksum', `What came from ${url} is not the published file.`, {
        where: url,
        expected: `SHA-256 ${sha256}`,
        got,
      });
    }
    await mkdir(folder, { recursive: true });
    await writeFile(`${path}.part`, bytes);
    await rename(`${path}.part`, path);
  }
}

async function download(name: string, url: string, get: (url: string) => Promise<Response>): Promise<Uint8Array> {
  const failed = (got: string, cause?: unknown): PareError =>
    new PareError('data/network', `"${name}" is not on this machine and could not be fetched.`, {
      where: url,
      got,
      hint: `put its files into $PARE_DATA/${name}, or use the embedded set: glyphs`,
      ...(cause !== undefined && { cause }),
    });
  try {
    const response = await get(url);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    throw failed(`HTTP ${response.status}`);
  } catch (cause) {
    if (cause instanceof PareError) throw cause;
    throw failed((cause as Error).message, cause);
  }
}
