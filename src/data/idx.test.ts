import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { classesOf } from './dataset.ts';
import { readIdx } from './idx.ts';
import { openIdxFolder, pairUp } from './idx-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'pare-idx-'));
afterAll(() => rmSync(root, { recursive: true }));
const idx = (type: number, dims: number[], values: number[] | Buffer): Buffer => {
  const head = Buffer.alloc(4 + 4 * dims.length);
  head[2] = type;
  head[3] = dims.length;
  dims.forEach((dim, i) => void head.writeUInt32BE(dim, 4 + 4 * i));
  return Buffer.concat([head, Buffer.from(values as Buffer)]);
};
const folder = (files: Record<string, Buffer | string>): string => {
  const path = mkdtempSync(join(root, 'set-'));
  mkdirSync(path, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
};
const counted = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('readIdx', () => {
  it('reads each type, big-endian', () => {
    const float = Buffer.alloc(8);
    float.writeFloatBE(1.5, 0);
    float.writeFloatBE(-2, 4);
    const double = Buffer.alloc(8);
    double.writeDoubleBE(Math.PI);
    const cases: [number, Buffer, string, number[]][] = [
      [8, Buffer.of(1, 255), 'uint8', [1, 255]],
      [9, Buffer.of(1, 255), 'int8', [1, -1]],
      [11, Buffer.of(1, 2, 255, 255), 'int16', [258, -1]],
      [12, Buffer.of(0, 0, 1, 0, 255, 255, 255, 254), 'int32', [256, -2]],
      [13, float, 'float32', [1.5, -2]],
      [14, double, 'float64', [Math.PI]],
    ];
    for (const [type, bytes, dtype, values] of cases) {
      const array = readIdx(idx(type, [values.length], bytes), 'a file');
      expect([array.dtype, Array.from(array.data, Number)]).toEqual([dtype, values]);
    }
  });

  it('refuses other files and wrong lengths', () => {
    expect(() => readIdx(Buffer.from('PK\x03\x04'), 'a.zip')).toThrow('does not begin like an IDX file');
    expect(() => readIdx(Buffer.alloc(0), 'none')).toThrow('does not begin like an IDX file');
    expect(() => readIdx(idx(8, [3], [1, 2]), 'short')).toThrow('does not hold the values');
    expect(() => readIdx(idx(8, [1], [1, 2]), 'long')).toThrow('does not hold the values');
  });
});

describe('openIdxFolder', () => {
  it('pairs labels with samples by the longest beginning', () => {
    const names = [
      'labels-idx1-int32.gz',
      'a-train-x-idx2-ubyte',
      'a-train-labels-idx1-ubyte',
      'images224-nhwc-idx4-ubyte.gz',
    ];
    expect(pairUp(names)).toEqual([
      { samples: 'a-train-x-idx2-ubyte', labels: 'a-train-labels-idx1-ubyte', role: 'train' },
      { samples: 'images224-nhwc-idx4-ubyte.gz', labels: 'labels-idx1-int32.gz', role: 'other' },
    ]);
  });

  it('opens MNIST-like files, gzip or not, as train and test', async () => {
    const { train, test } = await openIdxFolder(
      folder({
        'train-images-idx3-ubyte.gz': gzipSync(idx(8, [3, 2, 2], counted(12))),
        'train-labels-idx1-ubyte.gz': gzipSync(idx(8, [3], [0, 1, 1])),
        't10k-images-idx3-ubyte': idx(8, [1, 2, 2], [255, 0, 0, 0]),
        't10k-labels-idx1-ubyte': idx(8, [1], [1]),
        'classes.txt': 'no\nyes\n',
      }),
    );
    expect(train.inputs).toEqual({ x: { dtype: 'float32', dims: [1, 2, 2] } });
    expect(train.classes).toEqual(['no', 'yes']);
    expect([...classesOf(train)]).toEqual([0, 1, 1]);
    const into = new Float32Array(4);
    test!.fill('x', [0], into);
    expect([...into]).toEqual([1, 0, 0, 0]);
  });

  it('turns NHWC into NCHW and takes mean and std', async () => {
    const path = folder({ 'images-nhwc-idx4-ubyte': idx(8, [1, 1, 2, 3], [0, 1, 2, 3, 4, 5]) });
    const into = new Float32Array(6);
    (await openIdxFolder(path, { preset: 'raw' })).train.fill('x', [0], into);
    expect([...into]).toEqual([0, 3, 1, 4, 2, 5]);
    (await openIdxFolder(path, { preset: 'raw', mean: [1, 0, 0], std: [2, 1, 1] })).train.fill('x', [0], into);
    expect([...into]).toEqual([-0.5, 1, 1, 4, 2, 5]);
  });

  it('says what is wrong with a folder', async () => {
    const images = idx(8, [3, 2, 2], counted(12));
    const open = (files: Record<string, Buffer>) => openIdxFolder(folder(files));
    await expect(open({ 'images-idx3-ubyte': images, 'labels-idx1-ubyte': idx(8, [2], [0, 1]) })).rejects.toThrow(
      'does not label each sample',
    );
    await expect(open({ 'x-idx4-ubyte': idx(8, [1, 2, 2, 2], counted(8)) })).rejects.toThrow('cannot be told');
    await expect(open({ 'images-idx3-ubyte.gz': gzipSync(images).subarray(0, 25) })).rejects.toThrow('damaged gzip');
    await expect(open({})).rejects.toThrow('holds no IDX samples');
  });
});

const real = [process.env['PARE_DATA'], '../shared/data'].find(
  (path) => path && existsSync(join(path, 'images/cifar10')),
);
describe.skipIf(!real)('real data (skipped without $PARE_DATA or ../shared/data)', () => {
  it('finds the splits, labels and classes of MNIST and CIFAR-10', async () => {
    const mnist = await openIdxFolder(join(real!, 'images/mnist'));
    expect([mnist.train.size, mnist.test!.size, mnist.train.inputs['x']!.dims]).toEqual([60000, 10000, [1, 28, 28]]);
    expect([...classesOf(mnist.train).subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    const cifar = await openIdxFolder(join(real!, 'images/cifar10'));
    expect([cifar.train.size, cifar.test!.size, cifar.train.classes![9]]).toEqual([10000, 2000, 'truck']);
  });

  it('opens NHWC images with int32 labels, and int16 sound', async () => {
    const imagenet = await openIdxFolder(join(real!, 'images/imagenet100'), { preset: 'imagenet' });
    expect(imagenet.train.inputs['x']!.dims).toEqual([3, 224, 224]);
    expect(classesOf(imagenet.train)[0]).toBe(988);
    expect(imagenet.train.classes![988]).toContain('acorn');
    const fsdd = await openIdxFolder(join(real!, 'sequence/fsdd'));
    expect([fsdd.train.size, fsdd.test!.size, fsdd.train.inputs['x']!.dims]).toEqual([600, 300, [8192]]);
  });
});
