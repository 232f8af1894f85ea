/** The room's one door to the disk; node modules are loaded at the first touch, so the rest runs in a browser. */

import { PareError } from '../base/error.ts';

const files = () => import('node:fs/promises');

export const join = (...parts: string[]): string => parts.join('/').replaceAll(/(?<!^)\/{2,}/g, '/');
/** The last part of a path. */
export const baseName = (path: string): string =>
  path
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!;

/** What stands at this path; undefined when nothing does. */
export async function kindAt(path: string): Promise<'file' | 'folder' | undefined> {
  const { stat } = await files();
  const info = await stat(path).catch(() => undefined);
  return info && (info.isDirectory() ? 'folder' : 'file');
}

/** The visible entries of a folder, in alphabetical order. Throws data/unreadable. */
export async function list(path: string): Promise<{ files: string[]; folders: string[] }> {
  const { readdir, stat } = await files();
  const names = await readdir(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const out = { files: [] as string[], folders: [] as string[] };
  for (const name of names.filter((entry) => !entry.startsWith('.')).sort()) {
    const info = await stat(join(path, name)).catch(() => undefined); // a broken link is nobody's sample
    if (info?.isDirectory()) out.folders.push(name);
    else if (info?.isFile()) out.files.push(name);
  }
  return out;
}

/**
 * The bytes of a file, unpacked when they are gzip.
 *
 * Throws   data/missing when there is no such file, data/unreadable when it cannot be opened, data/damaged when its
 *          gzip stream is broken or cut short.
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  const { readFile } = await files();
  const raw: Uint8Array = await readFile(path).catch((cause: unknown) => {
    throw unread(path, cause);
  });
  if (raw[0] !== 0x1f || raw[1] !== 0x8b) return raw;
  const { gunzipSync } = await import('node:zlib');
  try {
    return gunzipSync(raw);
  } catch (cause) {
    throw new PareError('data/damaged', `"${path}" is a damaged gzip file.`, {
      where: path,
      got: (cause as Error).message,
      cause,
    });
  }
}

/** What reads files at once, as they are. Its errors are those of `readBytes`. */
export async function openReader(): Promise<(path: string) => Uint8Array> {
  const { readFileSync } = await import('node:fs');
  return (path) => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw unread(path, cause);
    }
  };
}

const unread = (path: string, cause: unknown): PareError =>
  (cause as { code?: string }).code === 'ENOENT' ? missing(path) : unreadable(path, cause);

export const missing = (path: string): PareError =>
  new PareError('data/missing', `There is nothing at "${path}".`, { where: path, expected: 'a file or a folder' });

const unreadable = (path: string, cause: unknown): PareError =>
  new PareError('data/unreadable', `"${path}" cannot be read.`, { where: path, got: (cause as Error).message, cause });
