/** Weights that lie in a file beside the model: which files may be read, and the reading of one tensor. */

import { PareError } from '../base/error.ts';
import { showBytes } from '../base/unit.ts';
import { disk } from './disk.ts';

/** Where one tensor's elements lie. */
export interface Place {
  /** Relative to the model's folder, with forward slashes. */
  readonly location: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes, where the model states them. */
  readonly length?: number;
  /** The file itself, where the model was read from a folder. */
  readonly path?: string;
  /** Is that file the model, whose message holds the elements? */
  readonly isOwn?: boolean;
}

/** Supplies `length` bytes of the file called `location`, from byte `offset`. */
export type ReadExternal = (location: string, offset: number, length: number) => Uint8Array;

/** The files that a model may read its weights from. */
export interface Shelf {
  readonly read: ReadExternal;
  /** The path of a location, unresolved; undefined when a caller supplies the bytes. */
  readonly path: (location: string) => string | undefined;
}

/**
 * Refuses a location that is no path inside the model's folder.
 *
 * Throws   onnx/external-path for absolute paths, drive letters, and `..` that climbs out.
 */
export function checkLocation(location: string, where: string): void {
  const refuse = (got: string): PareError =>
    new PareError('onnx/external-path', `${where} wants its data from outside the model's folder.`, {
      where,
      expected: "a path inside the model's folder",
      got,
    });
  if (location === '') throw refuse('no location at all');
  if (/^[\\/]|^[A-Za-z]:|\0/.test(location)) throw refuse(JSON.stringify(location));
  let depth = 0;
  for (const part of location.split(/[\\/]/)) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) throw refuse(JSON.stringify(location));
  }
}

/** A shelf of bytes that the caller holds (the browser, tests). */
export const suppliedShelf = (read: ReadExternal): Shelf => ({ read, path: () => undefined });

/** A shelf for a model that came without a folder: every touch says what is missing. */
export const emptyShelf: Shelf = {
  path: () => undefined,
  read: (location) => {
    throw new PareError('onnx/external-missing', `The weights in "${location}" were not supplied with the model.`, {
      where: location,
      hint: 'pass { folder } or { external } to readModel, or use readModelFile',
    });
  },
};

/**
 * The files in the model's folder. Nothing is opened before a tensor is touched, and nothing is kept open.
 *
 * A file that changes after the model was read is refused: its offsets would mean other weights.
 * When the model file is itself a symbolic link (a download cache), the folder it points into counts as well.
 */
export function folderShelf(folder: string, file?: string): Shelf {
  const { fs, path } = disk();
  const stamps = new Map<string, string | undefined>();
  const stampOf = (full: string): string | undefined => {
    const stat = fs.statSync(full, { throwIfNoEntry: false });
    return stat && `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
  };
  const inside = (real: string): boolean => {
    const roots = [fs.realpathSync(folder)];
    if (file !== undefined && fs.existsSync(file)) roots.push(path.dirname(fs.realpathSync(file)));
    return roots.some((root) => {
      const way = path.relative(root, real);
      return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
    });
  };

  const pathOf = (location: string): string => {
    const full = path.resolve(folder, location);
    if (!stamps.has(full)) stamps.set(full, stampOf(full));
    return full;
  };

  const read: ReadExternal = (location, offset, length) => {
    const full = pathOf(location);
    const stat = fs.statSync(full, { throwIfNoEntry: false });
    if (!stat?.isFile()) {
      throw new PareError('onnx/external-missing', `The model keeps weights in "${location}", which is not there.`, {
        where: full,
        expected: 'a file beside the model',
        got: stat ? 'not a regular file' : 'nothing',
      });
    }
    const real = fs.realpathSync(full);
    if (!inside(real)) {
      throw new PareError('onnx/external-path', `"${location}" is a link that leads out of the model's folder.`, {
        where: full,
        got: real,
      });
    }
    const stamp = stamps.get(full);
    if (stamp !== undefined && stamp !== stampOf(full)) {
      throw new PareError('onnx/external-changed', `"${location}" was changed after the model was read.`, {
        where: full,
        hint: 'read the model again',
      });
    }
    if (offset + length > stat.size) throw tooShort(location, offset + length, stat.size);
    const bytes = new Uint8Array(length);
    const handle = fs.openSync(real, 'r');
    try {
      for (let done = 0; done < length; ) {
        const got = fs.readSync(handle, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
        if (got === 0) throw tooShort(location, offset + length, offset + done);
        done += got;
      }
    } finally {
      fs.closeSync(handle);
    }
    return bytes;
  };

  return { read, path: pathOf };
}

/** The data file ends before the tensor does. */
export const tooShort = (location: string, wanted: number, got: number): PareError =>
  new PareError('onnx/external-truncated', `"${location}" is shorter than the model says.`, {
    where: location,
    expected: `at least ${wanted} bytes (${showBytes(wanted)})`,
    got: `${got} bytes`,
  });
