/** A file on disk → Model. Node only. */

import { PareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import { disk } from './disk.ts';
import { readBytes } from './read.ts';
import { skeletonOf } from './skeleton.ts';

/** One read call of the operating system takes less than 2 GB. */
const CHUNK = 2 ** 30;
/** Files of more bytes stay on disk: their weights are read when they are touched, like external ones. */
const LARGE = 2 ** 26;

/**
 * The model in a file, with external data in its folder.
 *
 * Of a file above 64 MB only what is no weight is read; a weight is fetched when it is touched, and the file must not
 * change meanwhile.
 *
 * Throws   file/missing; file/unreadable (a folder, no permission, more than fits in memory); what readModel throws.
 */
export async function readModelFile(file: string): Promise<Model> {
  const skeleton = readSkeleton(file);
  if (skeleton) return readBytes(skeleton, { file }, disk().path.basename(file));
  return readBytes(await readBytesOf(file), { file });
}

/** A large file without its weights; undefined for small and damaged ones, and for what is no file. */
function readSkeleton(file: string): Uint8Array | undefined {
  const { fs } = disk();
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile() || stat.size <= LARGE) return undefined;
  let handle: number | undefined;
  try {
    const opened = fs.openSync(file, 'r');
    handle = opened;
    const read = (into: Uint8Array, at: number): number => fs.readSync(opened, into, 0, into.length, at);
    return skeletonOf(read, stat.size);
  } catch {
    return undefined; // reading the file in full will say why it cannot be read
  } finally {
    if (handle !== undefined) fs.closeSync(handle);
  }
}

/** All bytes of a file, in one buffer, above 2 GB too (which Node's own readFile refuses). */
async function readBytesOf(file: string): Promise<Uint8Array> {
  const { fs } = disk();
  let handle: Awaited<ReturnType<typeof fs.promises.open>> | undefined;
  try {
    handle = await fs.promises.open(file, 'r');
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      const { bytesRead } = await handle.read(bytes, done, Math.min(size - done, CHUNK), done);
      if (bytesRead === 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  } catch (cause) {
    throw fileError(file, cause);
  } finally {
    await handle?.close();
  }
}

const fileError = (file: string, cause: unknown): PareError => {
  const code = (cause as { code?: string }).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new PareError('file/missing', `There is no file "${file}".`, { where: file, cause });
  }
  const why = code === 'EISDIR' ? 'it is a folder' : cause instanceof Error ? cause.message : String(cause);
  return new PareError('file/unreadable', `"${file}" cannot be read: ${why}.`, { where: file, cause });
};
