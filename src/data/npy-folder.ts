/** A folder of .npy files, one array each: those that are large stay on the disk. */

import { PareError } from '../base/error.ts';
import { sizeOf } from '../graph/tensor.ts';
import { type ArrayOptions, inputColumn, labelColumn, SPLIT } from './arrays.ts';
import { type Dataset, LABELS, type Stored } from './dataset.ts';
import { baseName, join, readBytes } from './disk.ts';
import { type NpyHeader, readNpy, readNpyHeader } from './npy.ts';
import { type FileColumn, streamed } from './streamed.ts';
import type { Splits } from './subset.ts';

/** Files beyond this many bytes are not read into memory. */
const MOST_BYTES = 64 * 2 ** 20;
/** Bytes that hold any header. */
const HEADER_BYTES = 65_536;
/** What a value in a file is as a column: half floats would need unpacking, and wider ones are narrowed as they are read. */
const STREAMABLE = new Set(['float32', 'float64', 'uint8', 'int8', 'int16', 'uint16', 'int32', 'int64']);

/**
 * Arrays by the names of their files; `labels.npy` or `y.npy` holds the targets, `x_train.npy`, `x_test.npy` … are splits.
 *
 * Axis 0 counts the samples. Files above 64 MiB are streamed, a batch at a time.
 * Throws   data/npy for a broken file, and for one that is too large to load and cannot be streamed (Fortran order, half
 *          floats); data/length when arrays of a split differ in their number of samples; data/column.
 */
export async function openNpyFolder(
  folder: string,
  files: readonly string[],
  options: ArrayOptions = {},
): Promise<Splits> {
  const names = files.filter((file) => /\.npy$/i.test(file)).map((file) => file.slice(0, -4));
  const isSplit = names.some((name) => SPLIT.train.test(name));
  const open = async (role: keyof Splits): Promise<Dataset | undefined> => {
    const own = isSplit ? names.filter((name) => SPLIT[role].test(name)) : role === 'train' ? names : [];
    if (own.length === 0) return undefined;
    const paths = Object.fromEntries(
      own.map((name) => [isSplit ? name.replace(SPLIT[role], '') : name, join(folder, `${name}.npy`)]),
    );
    return openPart(isSplit ? `${baseName(folder)} (${role})` : baseName(folder), paths, options);
  };
  const [train, validation, test] = [await open('train'), await open('validation'), await open('test')];
  return { train: train!, ...(validation && { validation }), ...(test && { test }) };
}

/** One .npy file by itself, streamed: an input `x`. Throws as openNpyFolder does. */
export const openNpyFile = async (path: string, options: ArrayOptions = {}): Promise<Splits> => ({
  train: await openPart(baseName(path), { x: path }, options),
});

/** Whether a file is too large to be read into memory. */
export async function isLarge(path: string): Promise<boolean> {
  const { stat } = await import('node:fs/promises');
  return (await stat(path)).size > MOST_BYTES;
}

async function openPart(
  name: string,
  paths: Readonly<Record<string, string>>,
  options: ArrayOptions,
): Promise<Dataset> {
  const target = options.label ?? [LABELS, 'y'].find((key) => key in paths);
  if (target !== undefined && !paths[target]) {
    throw new PareError('data/column', `"${name}" has no array "${target}" for the targets.`, {
      where: name,
      expected: Object.keys(paths).join(', '),
    });
  }
  const inputs: Record<string, FileColumn | Stored> = {};
  const sizes: Record<string, number> = {};
  for (const [key, path] of Object.entries(paths)) {
    if (key === target) continue;
    const { column, size } = await columnOf(path, options);
    inputs[key] = column;
    sizes[key] = size;
  }
  const labels = target === undefined ? undefined : readNpy(await readBytes(paths[target]!), paths[target]!);
  if (labels) sizes[target!] = labels.dims[0] ?? 0;
  const [first, size] = Object.entries(sizes)[0]!;
  const odd = Object.entries(sizes).find(([, count]) => count !== size);
  if (odd) {
    throw new PareError('data/length', `"${name}" has ${size} samples of ${first} but ${odd[1]} of ${odd[0]}.`, {
      where: name,
      expected: `${size} samples of ${odd[0]}`,
      got: `${odd[1]}`,
    });
  }
  return streamed({ name, inputs, size, ...(labels && labelColumn(labels, options.task)) });
}

async function columnOf(path: string, options: ArrayOptions): Promise<{ column: FileColumn | Stored; size: number }> {
  if (!(await isLarge(path))) {
    const array = readNpy(await readBytes(path), path);
    return { column: inputColumn(array, options), size: array.dims[0] ?? 0 };
  }
  const header = await headerOf(path);
  const { dtype, dims, start, isBigEndian } = header;
  const { data: _, ...column } = inputColumn(
    { dtype: dtype === 'float64' ? 'float32' : dtype, dims, data: new Float32Array(0) },
    options,
  );
  return { column: { ...column, file: { path, start, isSwapped: isBigEndian }, stored: dtype }, size: dims[0]! };
}

async function headerOf(path: string): Promise<NpyHeader> {
  const { open } = await import('node:fs/promises');
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(new Uint8Array(HEADER_BYTES), 0, HEADER_BYTES, 0);
    const header = readNpyHeader(buffer.subarray(0, bytesRead), path);
    const refuse = (expected: string, got: string): never => {
      throw new PareError('data/npy', `"${path}" is too large to load, and cannot be streamed.`, {
        where: path,
        expected,
        got,
      });
    };
    if (!STREAMABLE.has(header.dtype)) refuse([...STREAMABLE].join(', '), header.dtype);
    if (header.isFortran) refuse('C order', 'Fortran order');
    const width = { float64: 8, int64: 8, float32: 4, int32: 4, int16: 2, uint16: 2 }[header.dtype as string] ?? 1;
    const bytes = header.start + sizeOf(header.dims) * width;
    if (size < bytes) refuse(`${bytes} bytes`, `${size}`);
    return header;
  } finally {
    await handle.close();
  }
}
