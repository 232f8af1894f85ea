/**
 * Many arrays in one safetensors file that is either the old one or the new one, whatever happens while it is written.
 *
 * Source   github.com/huggingface/safetensors, "Format": a little-endian uint64 length, that many bytes of JSON, the values.
 */

import { PareError } from '../base/error.ts';

export interface StoredArray {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

export interface TensorFile {
  readonly arrays: ReadonlyMap<string, StoredArray>;
  /** Free text by name, as the format allows. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes handed to the system at once. */
const CHUNK_BYTES = 1 << 26;

const files = () => import('node:fs/promises');

/**
 * Writes beside `path`, makes the disk take it, then renames: a reader sees the old file or the whole new one.
 *
 * The arrays are read while they are written: let nobody change them until the promise ends.
 */
export async function writeTensorFile(path: string, { arrays, metadata }: TensorFile): Promise<void> {
  const { open, rename, mkdir } = await files();
  const folder = path.replace(/[/\\][^/\\]*$/, '') || '.';
  await mkdir(folder, { recursive: true });
  const aside = `${path}.partial`;
  const handle = await open(aside, 'w');
  try {
    const put = async (bytes: Uint8Array): Promise<void> => {
      for (let at = 0; at < bytes.length; ) {
        at += (await handle.write(bytes, at, Math.min(CHUNK_BYTES, bytes.length - at))).bytesWritten;
      }
    };
    await put(headerOf(arrays, metadata));
    for (const { values } of arrays.values())
      await put(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, path);
  await syncFolder(folder);
}

/** The rename itself reaches the disk. Windows knows no such call, and needs none. */
async function syncFolder(folder: string): Promise<void> {
  const { open } = await files();
  const handle = await open(folder, 'r').catch(() => undefined);
  try {
    await handle?.sync();
  } catch {
    // not every file system can
  } finally {
    await handle?.close();
  }
}

function headerOf(arrays: TensorFile['arrays'], metadata: TensorFile['metadata']): Uint8Array {
  let at = 0;
  const entries = [...arrays].map(([name, { dims, values }]) => {
    const from = at;
    at += values.byteLength;
    return [name, { dtype: 'F32', shape: dims, data_offsets: [from, at] }] as const;
  });
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

/**
 * Reads such a file; undefined when there is none.
 *
 * Throws   train/checkpoint when the file is damaged or holds anything but float32.
 */
export async function readTensorFile(path: string): Promise<TensorFile | undefined> {
  const { open } = await files();
  const handle = await open(path, 'r').catch((cause: { code?: string }) => {
    if (cause.code === 'ENOENT') return undefined;
    throw damaged(path, 'a file that can be read', `${cause.code}`, cause);
  });
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const get = async (into: Uint8Array, position: number): Promise<void> => {
      for (let at = 0; at < into.length; ) {
        const { bytesRead } = await handle.read(into, at, Math.min(CHUNK_BYTES, into.length - at), position + at);
        if (bytesRead === 0) throw damaged(path, `${position + into.length} bytes`, `${size}`);
        at += bytesRead;
      }
    };
    const head = new Uint8Array(8);
    await get(head, 0);
    const length = Number(new DataView(head.buffer).getBigUint64(0, true));
    if (8 + length > size) throw damaged(path, 'a header inside the file', `${length} bytes of header in ${size}`);
    const text = new Uint8Array(length);
    await get(text, 8);
    const { __metadata__: metadata = {}, ...entries } = parse(path, text);
    const arrays = new Map<string, StoredArray>();
    for (const [name, entry] of Object.entries(entries)) {
      const { dtype, shape, data_offsets } = entry as Entry;
      const [from, to] = data_offsets;
      if (dtype !== 'F32' || 8 + length + to > size || (to - from) % 4 !== 0) {
        throw damaged(path, 'float32 arrays inside the file', `${dtype} "${name}" from ${from} to ${to}`);
      }
      const values = new Float32Array((to - from) / 4);
      await get(new Uint8Array(values.buffer), 8 + length + from);
      arrays.set(name, { dims: shape, values });
    }
    return { arrays, metadata };
  } finally {
    await handle.close();
  }
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function parse(path: string, text: Uint8Array): Record<string, Entry> & { __metadata__?: Record<string, string> } {
  try {
    return JSON.parse(new TextDecoder().decode(text));
  } catch (cause) {
    throw damaged(path, 'a JSON header', (cause as Error).message, cause);
  }
}

const damaged = (path: string, expected: string, got: string, cause?: unknown): PareError =>
  new PareError('train/checkpoint', `"${path}" is not a checkpoint that Pare can read.`, {
    where: path,
    expected,
    got,
    ...(cause !== undefined && { cause }),
  });
