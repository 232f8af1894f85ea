/** Where weights rest that nobody computes with: in memory while they are few, else in a file without a name. Node only for the latter. */

import { copyBytes, elsewhere, sizeOf, type Tensor, tensor, tensorBytes } from '../graph/tensor.ts';
import type { StreamedArray } from './tensor-file.ts';

/** Bytes up to which weights rest in memory. */
const FEW = 2 ** 26;

/** A place for copies of some weights; each `put` takes the place of the one before. */
export interface Shelf {
  put(weights: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
}

/** A shelf for as many weights as these; above `few` bytes (default 64 MB) it is a file. */
export async function openShelf(weights: ReadonlyMap<string, Tensor>, few = FEW): Promise<Shelf> {
  const bytes = [...weights.values()].reduce((sum, t) => sum + tensorBytes(t), 0);
  if (bytes > few && canUseFiles()) {
    const file = await namelessFile();
    return {
      put: (now) => {
        file.rewind();
        return new Map([...now].map(([name, t]) => [name, file.put(t.dims, [t.bytes])]));
      },
    };
  }
  const held = new Map<string, Tensor>();
  return {
    put(now) {
      for (const [name, t] of now) {
        const before = held.get(name);
        if (before) before.bytes.set(t.bytes);
        else held.set(name, { ...t, bytes: t.bytes.slice() });
      }
      return new Map(held);
    },
  };
}

/** The arrays as float32 tensors; those that no process holds whole are fetched once, and above `few` bytes lie in a file. */
export async function rested(arrays: ReadonlyMap<string, StreamedArray>, few = FEW): Promise<Map<string, Tensor>> {
  const foreign = [...arrays.values()].filter(({ values }) => !values);
  const isMany = 4 * foreign.reduce((sum, { dims }) => sum + sizeOf(dims), 0) > few;
  const file = isMany ? await namelessFile() : undefined;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dims, values, pieces }] of arrays) {
    if (values) tensors.set(name, tensor('float32', dims, values));
    else if (file) tensors.set(name, await file.stream(dims, pieces()));
    else tensors.set(name, await joined(dims, pieces()));
  }
  return tensors;
}

async function joined(dims: readonly number[], pieces: AsyncIterable<Float32Array>): Promise<Tensor> {
  const values = new Float32Array(sizeOf(dims));
  let at = 0;
  for await (const piece of pieces) {
    values.set(piece, at);
    at += piece.length;
  }
  return tensor('float32', dims, values);
}

const canUseFiles = (): boolean => typeof process !== 'undefined' && process.versions?.node !== undefined;

/** A file that is gone when nobody reads it any more. */
async function namelessFile() {
  const [fs, os, path] = await Promise.all([import('node:fs'), import('node:os'), import('node:path')]);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pare-'));
  const file = fs.openSync(path.join(folder, 'weights'), 'wx+');
  fs.rmSync(folder, { recursive: true, force: true });
  const handle = { file };
  closers.register(handle, () => fs.closeSync(file));
  let end = 0;
  const all = (act: (done: number, left: number) => number, length: number): void => {
    for (let done = 0; done < length; ) done += act(done, Math.min(length - done, 2 ** 30));
  };
  const write = (bytes: Uint8Array): void => {
    all((done, left) => fs.writeSync(handle.file, bytes, done, left, end + done), bytes.length);
    end += bytes.length;
  };
  const readerFrom = (dims: readonly number[], start: number): Tensor =>
    elsewhere('float32', dims, (into, at) =>
      all((done, left) => fs.readSync(handle.file, into, done, left, start + at + done), into.length),
    );
  return {
    rewind: () => {
      end = 0;
    },
    put(dims: readonly number[], pieces: Iterable<Uint8Array>): Tensor {
      const start = end;
      for (const piece of pieces) write(piece);
      return readerFrom(dims, start);
    },
    async stream(dims: readonly number[], pieces: AsyncIterable<Float32Array>): Promise<Tensor> {
      const start = end;
      for await (const { buffer, byteOffset, byteLength } of pieces)
        write(new Uint8Array(buffer, byteOffset, byteLength));
      return readerFrom(dims, start);
    },
  };
}

/** Closes a file when the tensors that read it are no more. */
const closers = new FinalizationRegistry<() => void>((close) => close());

/** Some numbers of a float32 tensor, wherever it lies. */
export function stretchOf(t: Tensor, from: number, to: number): Float32Array {
  const values = new Float32Array(to - from);
  copyBytes(t, new Uint8Array(values.buffer), 4 * from);
  return values;
}
