/** Arrays that stay in their files: samples are read when they are asked for, ahead of time where the caller says which come next. */

import { factsOf, type TypedArray } from '../graph/dtype.ts';
import { sizeOf } from '../graph/tensor.ts';
import { checkFill, type Dataset, type InMemory, inMemory, LABELS, noColumn, type Stored } from './dataset.ts';

/** Where an array's values lie in a file, sample by sample, as this machine stores them or the other way round. */
export interface FileArray {
  readonly path: string;
  /** Bytes before the first value. */
  readonly start: number;
  /** The values' bytes are in the other order. Default false. */
  readonly isSwapped?: boolean;
}

/** A column whose `data` is in a file. */
export interface FileColumn extends Omit<Stored, 'data'> {
  readonly file: FileArray;
  /** The dtype in the file, where it is not the column's own. */
  readonly stored?: Stored['dtype'];
}

export interface Streamed extends Omit<InMemory, 'inputs'> {
  readonly inputs: Readonly<Record<string, FileColumn | Stored>>;
  readonly size: number;
}

/** Batches that were read ahead and are still kept: the one being filled, the next, and one to spare. */
const KEPT = 3;

/**
 * A data set over arrays in files; only the samples of a few batches are in memory at a time.
 *
 * `prepare` reads on the system's threads while the caller goes on; `fill` of samples that were not prepared reads them at once.
 * Small columns (labels) may lie in memory. Node only.
 */
export async function streamed({ name, inputs, labels, size, task, classes }: Streamed): Promise<Dataset> {
  const { openSync, read, readSync } = await import('node:fs');
  const sources = Object.entries(inputs).map(([key, column]) => [key, open(key, column)] as const);
  const readers = new Map(sources);
  const memory = Object.fromEntries(sources.map(([key, { empty }]) => [key, empty]));
  const shape = inMemory({
    name,
    inputs: memory,
    ...(labels && { labels: { ...labels, data: labels.data.subarray(0, sizeOf(labels.dims)) } }),
    ...(task && { task }),
    ...(classes && { classes }),
  });
  const targets = labels && inMemory({ name, inputs: { [LABELS]: labels } });

  function open(key: string, column: FileColumn | Stored): Source {
    if ('data' in column) {
      const whole = inMemory({ name, inputs: { [key]: column } });
      const empty = { ...column, data: column.data.subarray(0, sizeOf(column.dims)) };
      return { empty, fill: (rows, into) => whole.fill(key, rows, into) };
    }
    const { file, stored: dtype = column.dtype, ...rest } = column;
    const sample = sizeOf(column.dims);
    const { array } = factsOf(dtype);
    const width = array.BYTES_PER_ELEMENT;
    const fd = openSync(file.path, 'r');
    const staged: Map<number, TypedArray>[] = [];
    const place = (row: number): number => file.start + row * sample * width;
    const room = (): Uint8Array => new Uint8Array(sample * width);
    const valuesOf = (bytes: Uint8Array): TypedArray => {
      if (file.isSwapped) for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
      return new array(bytes.buffer, 0, sample);
    };
    const stage = async (rows: ArrayLike<number>): Promise<void> => {
      const batch = new Map<number, TypedArray>();
      const one = (row: number): Promise<void> =>
        new Promise((resolve, reject) => {
          const bytes = room();
          read(fd, bytes, 0, bytes.length, place(row), (error) => {
            if (error) return reject(error);
            batch.set(row, valuesOf(bytes));
            resolve();
          });
        });
      await Promise.all(Array.from(rows, one));
      staged.push(batch);
      if (staged.length > KEPT) staged.shift();
    };
    const now = (row: number): TypedArray => {
      const bytes = room();
      readSync(fd, bytes, 0, bytes.length, place(row));
      return valuesOf(bytes);
    };
    return {
      empty: { ...rest, data: new array(new ArrayBuffer(sample * width)) },
      prepare: stage,
      fill(rows, into) {
        const data = new array(new ArrayBuffer(rows.length * sample * width)) as Float32Array;
        for (let i = 0; i < rows.length; i++) {
          const row = rows[i]!;
          data.set((staged.find((batch) => batch.has(row))?.get(row) ?? now(row)) as Float32Array, i * sample);
        }
        const batch = inMemory({ name, inputs: { [key]: { ...rest, data } } });
        batch.fill(
          key,
          Array.from(rows, (_, i) => i),
          into,
        );
      },
    };
  }

  return {
    ...shape,
    size,
    async prepare(rows) {
      await Promise.all([...readers.values()].map((reader) => reader.prepare?.(rows)));
    },
    fill(column, rows, into) {
      if (column === LABELS && targets) return targets.fill(LABELS, rows, into);
      const reader = readers.get(column);
      if (!reader) throw noColumn(name, column, readers.keys());
      checkFill(name, column, shape.inputs[column]!, size, rows, into);
      reader.fill(rows, into);
    },
  };
}

interface Source {
  /** The column over a single sample that nobody reads: its shape and type. */
  readonly empty: Stored;
  readonly prepare?: (rows: ArrayLike<number>) => Promise<void>;
  readonly fill: (rows: ArrayLike<number>, into: TypedArray) => void;
}
