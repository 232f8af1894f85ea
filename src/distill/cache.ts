/** A teacher's outputs on disk: written once, batch by batch, gone on with where it stopped, read where they lie. */

import { PareError } from '../base/error.ts';
import { showBytes } from '../base/unit.ts';
import type { Dataset } from '../data/dataset.ts';
import { floats, sizeOf } from '../graph/tensor.ts';
import { modelPieces } from '../onnx/index.ts';
import { byFirst, type Lab } from '../runtime/index.ts';
import { fingerprint } from './fingerprint.ts';
import { TEACHER } from './loss/soft-targets.ts';
import { type Keep, type Packing, packing } from './packing.ts';
import { batchOf, type Recording } from './record.ts';
import { teacherRun } from './run-teacher.ts';
import { frozenTeacher, listOf, type Teacher } from './teacher.ts';

export interface CacheOptions {
  /** Folder for recordings; made when it is not there. */
  readonly folder: string;
  /** What of the logits is kept. Default 'float16'. */
  readonly keep?: Keep | undefined;
  /** Samples per run. Default 64. */
  readonly batch?: number | undefined;
  /** Whatever else the outputs depend on: how samples are augmented, a version of the data. Part of the key. */
  readonly note?: string | undefined;
  /** Inner values of the (first) teacher to keep too, at half precision. Default none. */
  readonly features?: readonly string[] | undefined;
  /** Refuse to write more than this many bytes. Default no limit. */
  readonly maxBytes?: number | undefined;
}

export interface Cached extends Recording, Disposable {
  readonly features: Readonly<Record<string, Recording>>;
  readonly path: string;
  readonly bytes: number;
  /** Samples that were recorded now; the others were there. */
  readonly written: number;
}

/** Files up to this size are read whole; larger ones sample by sample. */
const WHOLE = 512e6;

/** Bytes that a recording of logits takes. */
export const recordingBytes = (samples: number, width: number, keep: Keep = 'float16'): number =>
  samples * packing(keep, width).rowBytes;

/**
 * The teacher's outputs from a file that is made or completed when it is not there.
 *
 * The file's name is a hash of the teachers (content and weights), the samples, the lab's seed, the packing, the inner
 * values and the note: another model or another set is another file. How many bytes it will take is told (onNote)
 * before the first is written. Rows have one size, so a run that was broken off goes on after its last whole row.
 * Of several processes (`lab.among`) the first writes, and all read.
 * Throws   distill/cache-size when it would pass `maxBytes`; distill/cache-place where the folder is another for other ranks; distill/shape when the outputs' shapes are not known ahead.
 */
export async function cached(
  teachers: Teacher | readonly Teacher[],
  data: Dataset,
  { folder, keep = 'float16', batch: wish, note = '', features = [], maxBytes }: CacheOptions,
  lab: Lab,
): Promise<Cached> {
  const [{ createHash }, fs, { join }] = await Promise.all([
    import('node:crypto'),
    import('node:fs'),
    import('node:path'),
  ]);
  const batch = batchOf(teachers, data, wish);
  const run = teacherRun(frozenTeacher(teachers, features), data, batch, lab);
  const dims = run?.dims.get(TEACHER);
  if (!run || !dims) throw new PareError('distill/shape', "The shape of the teacher's output is not known ahead.");
  const columns = columnsOf(run.dims, keep);
  const rowBytes = columns.reduce((sum, column) => sum + column.rowBytes, 0);
  const about = { data: await fingerprint(data), seed: lab.seed ?? 0, keep, note, dims, features, form: 2 };
  const hash = createHash('sha256').update(JSON.stringify(about));
  for (const { model, weight } of listOf(teachers)) {
    hash.update(`${weight}`);
    for (const piece of modelPieces(model)) hash.update(piece);
  }
  const path = join(folder, `${hash.digest('hex').slice(0, 32)}.teacher`);
  const bytes = data.size * rowBytes;
  const isFirst = (lab.among?.rank ?? 0) === 0;

  const there = await byFirst(lab, async () => {
    fs.mkdirSync(folder, { recursive: true });
    return fs.existsSync(path) ? Math.min(data.size, Math.floor(fs.statSync(path).size / rowBytes)) : 0;
  });
  if (there < data.size) {
    if (maxBytes !== undefined && bytes > maxBytes) {
      throw new PareError('distill/cache-size', `The recording would take ${showBytes(bytes)}.`, {
        expected: `no more than ${showBytes(maxBytes)}`,
        got: showBytes(bytes),
        hint: 'keep float16 or the top few logits',
      });
    }
    lab.onNote?.(
      `Recording the teacher takes ${showBytes(bytes)} in ${path}${there ? `; ${there} samples are there` : ''}.`,
    );
    // Runs begin at whole batches, so that a sample's answer does not depend on where a run was broken off.
    let at = Math.floor(there / batch) * batch;
    const file = isFirst ? fs.openSync(path, there ? 'r+' : 'w') : undefined;
    try {
      for await (const { count, values } of run.answers(at, lab)) {
        if (file === undefined) continue;
        const block = new DataView(new ArrayBuffer(count * rowBytes));
        for (const { name, width, at: begin, pack } of columns) {
          const answers = floats(values[name]!);
          for (let i = 0; i < count; i++)
            pack(answers.subarray(i * width, (i + 1) * width), block, i * rowBytes + begin);
        }
        fs.writeSync(file, new Uint8Array(block.buffer), 0, block.byteLength, at * rowBytes);
        at += count;
      }
    } finally {
      if (file !== undefined) fs.closeSync(file);
    }
    await byFirst(lab, async () => undefined); // the file is whole
  }
  if (!isFirst && !fs.existsSync(path)) {
    throw new PareError('distill/cache-place', 'The recording is not in this folder as this machine sees it.', {
      where: path,
      expected: 'a folder that all ranks see',
    });
  }

  const file = bytes > WHOLE ? fs.openSync(path, 'r') : undefined;
  const whole = file === undefined ? fs.readFileSync(path) : undefined;
  const view = whole && new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  const reading = ({ dims: own, width, at, rowBytes: bytesOfOne, unpack }: PackedColumn): Recording => {
    const row = new DataView(new ArrayBuffer(bytesOfOne));
    return {
      dims: own,
      read: (indices, into) => {
        for (let i = 0; i < indices.length; i++) {
          const target = into.subarray(i * width, (i + 1) * width);
          const from = indices[i]! * rowBytes + at;
          if (!view) fs.readSync(file!, new Uint8Array(row.buffer), 0, bytesOfOne, from);
          unpack(view ?? row, view ? from : 0, target);
        }
      },
    };
  };
  const [logits, ...inner] = columns;
  return {
    ...reading(logits!),
    features: Object.fromEntries(inner.map((column, i) => [features[i]!, reading(column)])),
    path,
    bytes,
    written: data.size - there,
    [Symbol.dispose]: () => {
      if (file !== undefined) fs.closeSync(file);
    },
  };
}

/** One output in a row: where it begins, and how it is packed. */
interface PackedColumn extends Packing {
  readonly name: string;
  readonly dims: readonly number[];
  readonly width: number;
  readonly at: number;
}

/** The logits as asked, inner values at half precision. */
function columnsOf(outputs: ReadonlyMap<string, readonly number[]>, keep: Keep): PackedColumn[] {
  let at = 0;
  return [...outputs].map(([name, dims]) => {
    const width = sizeOf(dims);
    const column = { name, dims, width, at, ...packing(name === TEACHER ? keep : 'float16', width) };
    at += column.rowBytes;
    return column;
  });
}
