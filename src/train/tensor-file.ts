/**
 * Many arrays in one safetensors file that is either the old one or the new one, whatever happens while it is written.
 *
 * Source   github.com/huggingface/safetensors, "Format": a little-endian uint64 length, that many bytes of JSON, the values.
 */

import { PareError } from '../base/error.ts';
import { sizeOf } from '../graph/tensor.ts';

export interface StoredArray {
  readonly dims: readonly number[];
  /** Of an array that lies in a file: read at each touch. */
  readonly values: Float32Array;
  /** The numbers `from` … `to` − 1 of an array that lies in a file, without the others. */
  readonly stretch?: (from: number, to: number) => Float32Array;
}

/** Some numbers of an array; where it is in memory, not a copy. */
export const stretch = (array: StoredArray, from: number, to: number): Float32Array =>
  array.stretch?.(from, to) ?? array.values.subarray(from, to);

/** An array that is taken in order, piece by piece, wherever it lies. */
export interface StreamedArray {
  readonly dims: readonly number[];
  /** Where all of it is here. */
  readonly values?: Float32Array;
  readonly pieces: () => AsyncIterable<Float32Array>;
}

type Writable = ReadonlyMap<string, StoredArray | StreamedArray>;

export interface TensorFile {
  readonly arrays: ReadonlyMap<string, StoredArray>;
  /** Free text by name, as the format allows. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes handed to the system at once. */
const CHUNK_BYTES = 1 << 24;

const files = () => import('node:fs/promises');

/**
 * Writes beside `path`, makes the disk take it, then renames: a reader sees the old file or the whole new one.
 *
 * The arrays are read while they are written: let nobody change them until the promise ends.
 *
 * Throws   what the system says of a full disk or a folder that may not be written (file/refused); nothing of it is then left.
 */
export async function writeTensorFile(
  path: string,
  { arrays, metadata }: Omit<TensorFile, 'arrays'> & { readonly arrays: Writable },
): Promise<void> {
  const { open, rename, mkdir, rm } = await files();
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
    for (const array of arrays.values()) {
      if ('pieces' in array && !array.values) for await (const piece of array.pieces()) await put(bytesOf(piece));
      else for (const piece of stretches(array as StoredArray)) await put(bytesOf(piece));
    }
    await handle.sync();
    await handle.close();
    await rename(aside, path);
  } catch (thrown) {
    await handle.close();
    await rm(aside, { force: true });
    throw thrown;
  }
  await syncFolder(folder);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** An array in order, not more of it in memory than is written at once. */
function* stretches(array: StoredArray): Generator<Float32Array> {
  const length = sizeOf(array.dims);
  const step = array.stretch ? CHUNK_BYTES / 4 : length;
  for (let at = 0; at < length; at += step) yield stretch(array, at, Math.min(length, at + step));
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

function headerOf(arrays: Writable, metadata: TensorFile['metadata']): Uint8Array {
  let at = 0;
  const entries = [...arrays].map(([name, { dims }]) => {
    const from = at;
    at += 4 * sizeOf(dims);
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
 * Reads such a file; undefined when there is none. Its arrays are read when they are touched: it must stay as it is meanwhile.
 *
 * Throws   train/checkpoint when the file is damaged or holds anything but float32.
 */
export async function readTensorFile(path: string): Promise<TensorFile | undefined> {
  const { open } = await files();
  const readFloats = await floatReader();
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
      arrays.set(name, {
        dims: shape,
        get values() {
          return readFloats(path, 8 + length + from, (to - from) / 4);
        },
        stretch: (a, b) => readFloats(path, 8 + length + from + 4 * a, b - a),
      });
    }
    return { arrays, metadata };
  } finally {
    await handle.close();
  }
}

/** Reads float32 numbers at a place of a file. */
async function floatReader(): Promise<(path: string, at: number, count: number) => Float32Array> {
  const fs = await import('node:fs');
  return (path, at, count) => {
    const values = new Float32Array(count);
    const bytes = bytesOf(values);
    const file = fs.openSync(path, 'r');
    try {
      for (let done = 0; done < bytes.length; ) {
        const got = fs.readSync(file, bytes, done, Math.min(CHUNK_BYTES, bytes.length - done), at + done);
        if (got === 0) throw damaged(path, `${at + bytes.length} bytes`, `${at + done}`);
        done += got;
      }
    } finally {
      fs.closeSync(file);
    }
    return values;
  };
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
