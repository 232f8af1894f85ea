import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import truth from '../../test/oracle/data.json' with { type: 'json' };
import { inMemory } from './dataset.ts';
import { mixup } from './mix.ts';
import { readParquet } from './parquet.ts';
import { openData } from './spec.ts';
import { streamed } from './streamed.ts';
import { subset } from './subset.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-streamed-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A .npy file of [rows, width] whose row i holds the number i. */
function writeRows(path: string, rows: number, width: number): void {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const file = openSync(path, 'w');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  writeSync(file, Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([1, 0]), length]));
  writeSync(file, Buffer.from(padded));
  for (let i = 0; i < rows; i++) writeSync(file, Buffer.from(new Float32Array(width).fill(i).buffer));
  closeSync(file);
}

describe('streamed', () => {
  it('reads the same samples prepared or not, in any order, scaled like those in memory', async () => {
    const path = join(folder, 'small.bin');
    const values = Uint8Array.from({ length: 6 * 20 }, (_, i) => (i * 7) % 251);
    writeFileSync(path, Buffer.concat([Buffer.alloc(5), values]));
    const column = { dtype: 'float32', dims: [2, 3], scale: [0.5, 2], shift: [1, -1] } as const;
    const labels = { dtype: 'int64', dims: [], data: Int32Array.from({ length: 20 }, (_, i) => i % 3) } as const;
    const near = inMemory({ name: 'near', inputs: { x: { ...column, data: values } }, labels });
    const far = await streamed({
      name: 'far',
      size: 20,
      inputs: { x: { ...column, stored: 'uint8', file: { path, start: 5 } } },
      labels,
    });
    expect(far).toMatchObject({ size: 20, inputs: near.inputs, labels: near.labels, task: 'classification' });
    for (const make of [(set: typeof near) => set, (set: typeof near) => subset(set, [19, 4, 4, 7, 0])]) {
      const [a, b] = [make(near), make(far)];
      const [x, y] = [new Float32Array(18), new Float32Array(18)];
      a.fill('x', [2, 0, 3], x);
      b.fill('x', [2, 0, 3], y);
      expect(y).toEqual(x);
      await b.prepare!([2, 0, 3]);
      b.fill('x', [2, 0, 3], y.fill(0));
      expect(y).toEqual(x);
    }
    await expect(mixup(far, { classes: 3 }).prepare!([1, 2])).resolves.toBeUndefined();
    expect(() => far.fill('x', [20], new Float32Array(6))).toThrow('no sample 20');
  });

  it('leaves large .npy files of a folder on the disk', async () => {
    const place = mkdtempSync(join(folder, 'npy-'));
    const rows = 17 * 1024;
    writeRows(join(place, 'x_train.npy'), rows, 1024); // 68 MiB
    writeRows(join(place, 'y_train.npy'), rows, 1);
    writeRows(join(place, 'x_test.npy'), 4, 1024);
    const { train, test } = await openData(place);
    expect([train.size, test!.size, train.task]).toEqual([rows, 4, 'regression']);
    expect(train.prepare).toBeDefined();
    const x = new Float32Array(2048);
    await train.prepare!([rows - 1, 5]);
    train.fill('x', [rows - 1, 5], x);
    expect([x[0], x[1023], x[1024], x[2047]]).toEqual([rows - 1, rows - 1, 5, 5]);
  });
});

describe('readParquet', () => {
  for (const { compression, file } of truth.parquet) {
    it(`reads what PyArrow wrote (${compression})`, async () => {
      expect(await readParquet(Buffer.from(file, 'base64'), 'a.parquet')).toEqual({
        header: ['size', 'town', 'count', 'old'],
        rows: [
          ['1.5', 'Oslo', '1', 'true'],
          ['2', '', '-2', 'false'],
          ['', 'Rome', '3', ''],
        ],
      });
    });
  }
});
