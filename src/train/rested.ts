/** Weights that no process holds whole, put where they can be read again piece by piece. Node only where they are many. */

import { elsewhere, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import type { StreamedArray } from './tensor-file.ts';

/** Numbers up to which they rest in memory. */
const FEW = 2 ** 24;

/** The arrays as float32 tensors: in memory, or in a file without a name, which is gone when nobody reads it any more. */
export async function rested(arrays: ReadonlyMap<string, StreamedArray>): Promise<Map<string, Tensor>> {
  const foreign = [...arrays.values()].filter(({ values }) => !values);
  const isMany = foreign.reduce((sum, { dims }) => sum + sizeOf(dims), 0) > FEW;
  const file = isMany ? await namelessFile() : undefined;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dims, values, pieces }] of arrays) {
    if (values) tensors.set(name, tensor('float32', dims, values));
    else if (file) tensors.set(name, await file.put(dims, pieces()));
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

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

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
  return {
    async put(dims: readonly number[], pieces: AsyncIterable<Float32Array>): Promise<Tensor> {
      const start = end;
      for await (const piece of pieces) {
        const bytes = bytesOf(piece);
        all((done, left) => fs.writeSync(handle.file, bytes, done, left, end + done), bytes.length);
        end += bytes.length;
      }
      return elsewhere('float32', dims, (into, at) =>
        all((done, left) => fs.readSync(handle.file, into, done, left, start + at + done), into.length),
      );
    },
  };
}

/** Closes a file when the tensors that read it are no more. */
const closers = new FinalizationRegistry<() => void>((close) => close());
