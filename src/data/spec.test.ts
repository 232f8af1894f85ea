import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { afterAll, describe, expect, it } from 'vitest';
import { classesOf, inMemory, LABELS } from './dataset.ts';
import { KNOWN } from './known.ts';
import { bind, type Port } from './port.ts';
import { openData, withTest } from './spec.ts';

const truth = JSON.parse(readFileSync(new URL('../../test/oracle/data.json', import.meta.url), 'utf8'));
const root = mkdtempSync(join(tmpdir(), 'pare-spec-'));
afterAll(() => rmSync(root, { recursive: true }));
const file = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(root, name), bytes);
  return join(root, name);
};
const offline = { folders: [join(root, 'cache')], fetch: () => Promise.reject(new Error('no network')) };

describe('openData', () => {
  it('opens each form', async () => {
    const table = file('t.csv', `x,y\n${Array.from({ length: 20 }, (_, i) => `${i},${i % 2}`).join('\n')}`);
    expect((await openData(table)).test!.size).toBe(4);
    expect((await openData(table, { held: 0.5 })).test!.size).toBe(10);
    expect((await openData(file('a.npz', Buffer.from(truth.npz, 'base64')))).train.size).toBe(2);
    expect((await openData(file('b.npy', Buffer.from(truth.npy[0].file, 'base64')))).train.inputs).toEqual({
      x: { dtype: 'float32', dims: [3, 4] },
    });
    expect((await openData('glyphs', { train: 40, test: 20 })).test!.size).toBe(20);
  });

  it('reads tables in UTF-16, and gives images the layout that the model states', async () => {
    const rows = `\ufeffx,y\n${Array.from({ length: 20 }, (_, i) => `${i},${i % 2}`).join('\n')}`;
    expect((await openData(file('wide.csv', Buffer.from(rows, 'utf16le')), { label: 'y' })).train.task).toBe(
      'classification',
    );
    const { train } = await openData('glyphs', {
      train: 20,
      test: 20,
      ports: [{ name: 'in', dtype: 'float32', dims: ['N', 28, 28, 3] }],
    });
    expect(train.inputs['in']!.dims).toEqual([28, 28, 3]);
  });

  it('has one error for each bad input', async () => {
    const empty = mkdtempSync(join(root, 'empty-'));
    const code = (spec: string, options = {}) =>
      openData(spec, options).then(
        () => 'opened',
        (thrown) => thrown.code,
      );
    expect(await code(join(root, 'nowhere'))).toBe('data/missing');
    expect(await code(join(root, 'nowhere.csv'))).toBe('data/missing');
    expect(await code(empty)).toBe('data/empty');
    expect(await code(file('a.parquet', 'PAR1'))).toBe('data/parquet');
    expect(await code(file('a.mystery', 'what'))).toBe('data/format');
    expect(await code('random')).toBe('data/port');
    expect(await code('glyphs', { preset: 'unity' })).toBe('option/unknown');
    expect(await code('mnist', offline)).toBe('data/network');
    await expect(openData('glyfs')).rejects.toThrow('did you mean "glyphs"?');
  });

  it('gives images the size that the model states', async () => {
    const path = mkdtempSync(join(root, 'images-'));
    mkdirSync(join(path, 'a'));
    writeFileSync(
      join(path, 'a/1.png'),
      encode({ width: 10, height: 7, channels: 1, depth: 8, data: new Uint8Array(70) }),
    );
    const port: Port = { name: 'pixels', dtype: 'float32', dims: ['N', 3, 4, 4] };
    const { train } = await openData(path, { ports: [port] });
    expect(train.inputs).toEqual({ pixels: { dtype: 'float32', dims: [3, 4, 4] } });
    const drawn = await openData('glyphs', { ports: [{ ...port, dims: [null, 1, 32, 32] }], train: 20, test: 20 });
    expect(drawn.train.inputs['pixels']!.dims).toEqual([1, 32, 32]);
  });

  it('holds back a test share when there is no test set', async () => {
    const data = await openData(file('c.npz', Buffer.from(truth.npz, 'base64')));
    const { train, test } = withTest(data, { share: 0.5 });
    expect([train.size, test.size]).toEqual([1, 1]);
  });
});

describe('random', () => {
  const ports: Port[] = [
    { name: 'ids', dtype: 'int64', dims: ['batch', 'sequence'] },
    { name: 'x', dtype: 'float32', dims: [1, 3, null] },
  ];

  it('fills the shapes and types of the model, the same for the same seed, and says what it is worth', async () => {
    const { train, notes } = await openData('random', { ports, dims: { sequence: 5 }, open: 7, below: 3 });
    expect(train.inputs).toEqual({ ids: { dtype: 'int64', dims: [5] }, x: { dtype: 'float32', dims: [3, 7] } });
    expect(notes).toEqual([expect.stringContaining('accuracy cannot')]);
    expect((await openData('random', { ports })).notes[1]).toBe('sequence taken as 16 (--dim sequence=… sets it)');
    const ids = new BigInt64Array(50);
    train.fill(
      'ids',
      Int32Array.from({ length: 10 }, (_, i) => i),
      ids,
    );
    expect(new Set(ids)).toEqual(new Set([0n, 1n, 2n]));
    const [both, one] = [new Float32Array(42), new Float32Array(21)];
    train.fill('x', [3, 8], both);
    train.fill('x', [8], one);
    expect(both.subarray(21)).toEqual(one);
  });
});

describe('bind', () => {
  it('renames, reshapes and converts', async () => {
    const { train } = await openData('glyphs', { train: 20, test: 20 });
    const flat = bind(train, [{ name: 'in', dtype: 'uint8', dims: ['N', 784] }]);
    expect(flat.inputs).toEqual({ in: { dtype: 'uint8', dims: [784] } });
    const into = new Uint8Array(784);
    flat.fill('in', [0], into);
    expect(into.every((value) => value <= 1)).toBe(true);
    const labels = new BigInt64Array(1);
    flat.fill(LABELS, [3], labels);
    expect(labels[0]).toBe(3n);
    expect(classesOf(flat)[5]).toBe(5);
  });

  it('brings channels to where the model has them', async () => {
    const set = inMemory({
      name: 'rgb',
      inputs: { x: { dtype: 'uint8', dims: [2, 2, 3], data: Uint8Array.from({ length: 24 }, (_, i) => i) } },
    });
    const first = bind(set, [{ name: 'in', dtype: 'float32', dims: ['N', 3, 2, 2] }]);
    const into = new Float32Array(12);
    first.fill('in', [1], into);
    expect([...into]).toEqual([12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23]);
    const back = new Float32Array(24);
    bind(first, [{ name: 'x', dtype: 'float32', dims: ['N', null, null, 3] }]).fill('x', [0, 1], back);
    expect([...back]).toEqual(Array.from({ length: 24 }, (_, i) => i));
  });

  it('says why a model cannot be fed', async () => {
    const { train } = await openData('glyphs', { train: 20, test: 20, channels: 3 });
    const port = (dims: Port['dims']): Port[] => [{ name: 'in', dtype: 'float32', dims }];
    expect(() => bind(train, port([1, 100]))).toThrow('does not fit');
    // As many numbers, but no axis of the one is made of neighbours of the other.
    expect(() => bind(train, port([1, 7, 28, 12]))).toThrow('does not fit');
    expect(() => bind(train, [...port([1]), { name: 'mask', dtype: 'bool', dims: [1] }])).toThrow('nothing to feed');
  });
});

describe('openKnown', () => {
  const record = (label: number): Buffer => Buffer.concat([Buffer.of(label), Buffer.alloc(3072, label)]);
  const tar = (files: Record<string, Buffer>): Buffer =>
    Buffer.concat([
      ...Object.entries(files).flatMap(([name, bytes]) => {
        const head = Buffer.alloc(512);
        head.write(name, 0);
        head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
        head[156] = 0x30;
        return [head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
      }),
      Buffer.alloc(1024),
    ]);

  it('reads the archive of CIFAR-10 from the cache', async () => {
    const folder = join(root, 'archive/cifar10');
    mkdirSync(folder, { recursive: true });
    const files = Object.fromEntries(
      [1, 2, 3, 4, 5].map((i) => [`cifar-10-batches-bin/data_batch_${i}.bin`, record(i)]),
    );
    const bytes = gzipSync(
      tar({ ...files, 'cifar-10-batches-bin/test_batch.bin': Buffer.concat([record(9), record(0)]) }),
    );
    writeFileSync(join(folder, 'cifar-10-binary.tar.gz'), bytes);
    const { train, test } = await openData('cifar10', { ...offline, folders: [join(root, 'archive')] });
    expect([[...classesOf(train)], [...classesOf(test!)], train.inputs['x']!.dims]).toEqual([
      [1, 2, 3, 4, 5],
      [9, 0],
      [3, 32, 32],
    ]);
  });

  it('takes only the published file from the network', async () => {
    const folders = [join(root, 'fetched')];
    const respond = (bytes: Uint8Array<ArrayBuffer>) => () => Promise.resolve(new Response(bytes));
    await expect(openData('mnist', { folders, fetch: respond(Buffer.from('other')) })).rejects.toMatchObject({
      code: 'data/checksum',
    });
    const missing = () => Promise.resolve(new Response(null, { status: 404 }));
    await expect(openData('mnist', { folders, fetch: missing })).rejects.toMatchObject({ code: 'data/network' });
    expect(existsSync(join(root, 'fetched/mnist'))).toBe(false);
    expect(createHash('sha256').update('').digest('hex')).toHaveLength(
      KNOWN['mnist']!.files['train-images-idx3-ubyte.gz']!.length,
    );
  });
});
