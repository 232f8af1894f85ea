import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import { afterAll, describe, expect, it } from 'vitest';
import { classesOf } from './dataset.ts';
import { decodeImage } from './decode.ts';
import { openImageFolder } from './image-folder.ts';
import { crop, type Pixels, resize, toChannels } from './pixels.ts';

/** Made by test/oracle/data.py with Pillow. */
const truth = JSON.parse(readFileSync(new URL('../../test/oracle/data.json', import.meta.url), 'utf8'));
const root = mkdtempSync(join(tmpdir(), 'pare-images-'));
afterAll(() => rmSync(root, { recursive: true }));
const folder = (files: Record<string, Uint8Array>): string => {
  const path = mkdtempSync(join(root, 'set-'));
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), bytes);
  }
  return path;
};
const png = (width: number, height: number, value = 0, channels = 3): Uint8Array =>
  encode({
    width,
    height,
    channels,
    depth: 8,
    data: new Uint8Array(width * height * channels).map((_, i) => value + (i % channels)),
  });
const most = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce(
    (p, q) => Math.max(p, q),
    a.length === b.length ? 0 : Number.POSITIVE_INFINITY,
  );

describe('decodeImage', () => {
  for (const { name, file, width, height, channels, values } of truth.images) {
    it(`reads ${name} as Pillow does`, async () => {
      const image = await decodeImage(Buffer.from(file, 'base64'), name);
      expect([image.width, image.height, image.channels]).toEqual([width, height, channels]);
      expect(most(image.data, values)).toBeLessThanOrEqual(/^png|lossless/.test(name) ? 0 : 3); // the others let decoders round
    });
  }

  it('keeps the upper byte of 16-bit samples', async () => {
    const deep = encode({ width: 2, height: 1, channels: 1, depth: 16, data: Uint16Array.of(0x1234, 0xff80) });
    expect([...(await decodeImage(deep, 'deep.png')).data]).toEqual([0x12, 0xff]);
  });

  it('names the file that is damaged, cut short or no image', async () => {
    const jpeg = Buffer.from(truth.images.find((image: { name: string }) => image.name === 'jpeg rgb').file, 'base64');
    const broken = Buffer.from(png(4, 4));
    broken[45] = broken[45]! ^ 255;
    for (const [name, bytes] of Object.entries({
      'cut.jpg': jpeg.subarray(0, jpeg.length - 200),
      'head.jpg': jpeg.subarray(0, 20),
      'headless.jpg': Buffer.concat([jpeg.subarray(0, 4), Buffer.alloc(200), Buffer.of(0xff, 0xd9)]),
      'cut.webp': Buffer.from('RIFF\x04\0\0\0WEBPVP8 '),
      'broken.png': broken,
      'cut.png': png(4, 4).subarray(0, 40),
      'text.png': Buffer.from('hello'),
      'none.png': Buffer.alloc(0),
    })) {
      await expect(decodeImage(bytes, name)).rejects.toMatchObject({ code: 'data/image', detail: { where: name } });
    }
    const cmyk = Buffer.from(truth.cmyk, 'base64');
    await expect(decodeImage(cmyk, 'print.jpg')).rejects.toMatchObject({ detail: { got: 'CMYK', where: 'print.jpg' } });
    expect((await decodeImage(jpeg, 'whole.jpg')).width).toBe(28); // also after the decoder gave up
  });
});

describe('pixels', () => {
  const picture: Pixels = { width: 28, height: 20, channels: 3, data: Uint8Array.from(truth.picture) };
  for (const { height, width, values } of truth.resized) {
    it(`resizes to ${width} x ${height} as Pillow does, within a grey level`, () => {
      expect(most(resize(picture, height, width).data, values)).toBeLessThanOrEqual(1);
    });
  }

  it('makes the grey that Pillow makes', () => {
    const noise: Pixels = { width: 13, height: 9, channels: 3, data: Uint8Array.from(truth.noise) };
    expect([...toChannels(noise, 1).data]).toEqual(truth.grey);
  });

  it('crops the middle', () => {
    const row: Pixels = { width: 4, height: 1, channels: 1, data: Uint8Array.of(1, 2, 3, 4) };
    expect([...crop(row, 1, 2).data]).toEqual([2, 3]);
    expect(() => crop(row, 2, 2)).toThrow('does not fit');
  });
});

describe('openImageFolder', () => {
  it('takes folders as classes, under train and test alike', async () => {
    const path = folder({
      'train/cat/1.png': png(3, 2, 10),
      'train/dog/1.png': png(3, 2, 20),
      'train/dog/notes.txt': Buffer.from('not an image'),
      'test/dog/9.png': png(3, 2, 30),
    });
    const { train, test, validation } = await openImageFolder(path, { preset: 'raw' });
    expect([train.size, test!.size, validation]).toEqual([2, 1, undefined]);
    expect(train.classes).toEqual(['cat', 'dog']);
    expect([...classesOf(test!)]).toEqual([1]);
    const into = new Float32Array(18);
    test!.fill('x', [0], into);
    expect([...into]).toEqual([...Array(6).fill(30), ...Array(6).fill(31), ...Array(6).fill(32)]);
  });

  it('takes a flat folder as unlabelled, grey when all are grey, and resizes', async () => {
    const path = folder({ 'a.png': png(4, 8, 7, 1), 'b.png': png(6, 4, 7, 1) });
    const { train } = await openImageFolder(path, { resize: 4, crop: 4 });
    expect([train.task, train.size, train.inputs['x']!.dims]).toEqual(['unlabelled', 2, [1, 4, 4]]);
  });

  it('decodes an image when it is asked for, once', async () => {
    const path = folder({ 'a.png': png(2, 2, 1), 'b.png': png(2, 2, 2), 'c.png': png(2, 2, 3) });
    const { train } = await openImageFolder(path, { preset: 'raw' });
    await train.prepare!([1]);
    rmSync(join(path, 'b.png'));
    writeFileSync(join(path, 'c.png'), png(2, 2, 9));
    const into = new Float32Array(24);
    train.fill('x', [1, 2], into);
    expect([into[0], into[12]]).toEqual([2, 9]);
  });

  it('says what is wrong', async () => {
    const open = (files: Record<string, Uint8Array>, options = {}) => openImageFolder(folder(files), options);
    await expect(open({})).rejects.toMatchObject({ code: 'data/empty' });
    const { train } = await open({ 'a.png': png(2, 2), 'b.png': png(3, 2), 'c.png': Buffer.from('hello') });
    await expect(train.prepare!([1])).rejects.toMatchObject({ code: 'data/size' });
    expect(() => train.fill('x', [0, 1], new Float32Array(24))).toThrow('differ in size');
    await expect(train.prepare!([2])).rejects.toMatchObject({ code: 'data/image' });
    expect(() => train.fill('x', [3], new Float32Array(12))).toThrow('has no sample 3');
    await expect(open({ 'c/a.png': png(2, 2) }, { crop: 3 })).rejects.toMatchObject({
      code: 'data/crop',
      detail: { where: expect.stringContaining('c/a.png') },
    });
    const misspelt = { 'train/cat/a.png': png(2, 2), 'val/cats/a.png': png(2, 2) };
    await expect(open(misspelt)).rejects.toMatchObject({ code: 'data/classes', detail: { hint: 'is it "cat"?' } });
  });
});

describe('images beyond the memory that they may take', () => {
  const noisy = (count: number, channels = 3): Record<string, Uint8Array> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `${i % 2 ? 'cat' : 'dog'}/${i}.png`,
        png(5, 4, 7 * i, i === 9 ? 3 : channels),
      ]),
    );
  const all = (set: Awaited<ReturnType<typeof openImageFolder>>['train']): Float32Array => {
    const into = new Float32Array(set.size * set.inputs['x']!.dims.reduce((n, dim) => n * dim, 1));
    set.fill(
      'x',
      Int32Array.from({ length: set.size }, (_, i) => i),
      into,
    );
    return into;
  };

  it.each(['nchw', 'nhwc'] as const)('are read from a file, the same numbers (%s)', async (layout) => {
    const path = folder(noisy(12));
    const options = { layout, preset: 'imagenet' } as const;
    const [{ train: near }, { train: far }] = [
      await openImageFolder(path, options),
      await openImageFolder(path, { ...options, memoryBytes: 200 }),
    ];
    await far.prepare!([3, 1]);
    expect(far.inputs).toEqual(near.inputs);
    expect(all(far)).toEqual(all(near));
    expect(classesOf(far)).toEqual(classesOf(near));
    expect(far.classes).toEqual(near.classes);
  });

  it('get colours when the first coloured one comes late', async () => {
    const path = folder(noisy(12, 1));
    const { train } = await openImageFolder(path, { memoryBytes: 60 });
    expect(train.inputs['x']!.dims).toEqual([3, 4, 5]);
    expect(all(train)).toEqual(all((await openImageFolder(path)).train));
  });
});
