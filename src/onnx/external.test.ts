import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Graph, Model } from '../graph/model.ts';
import { float32, floats, type Tensor } from '../graph/tensor.ts';
import { readModel } from './read.ts';
import { readModelFile } from './read-file.ts';
import { INSIDE, putTensor } from './tensor-write.ts';
import { encode } from './wire-write.ts';
import { putModel, writeModel } from './write.ts';
import { writeModelFile } from './write-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ramp = (count: number, from = 0): Tensor =>
  float32(
    [count],
    Float32Array.from({ length: count }, (_, i) => from + i),
  );
const graphOf = (initializers: [string, Tensor][], nodes: Graph['nodes'] = []): Graph => ({
  name: 'g',
  nodes,
  inputs: [],
  outputs: [],
  initializers: new Map(initializers),
  values: new Map(),
});
const modelOf = (graph: Graph): Model => ({
  ir: 8,
  opsets: { '': 17 },
  producer: { name: 't', version: '' },
  metadata: {},
  graph,
});
/** A model whose one weight of `count` floats lies at `location`. */
const pointing = (location: string, count = 4, offset = 0, length?: number): Uint8Array => {
  const weight: Tensor = { dtype: 'float32', dims: [count], bytes: new Uint8Array(0) };
  const place = { location, offset, ...(length !== undefined && { length }) };
  const saving = { placed: new Map([[weight, place]]), mayShare: () => false };
  return encode((sink) => putModel(sink, modelOf(graphOf([['w', weight]])), saving));
};
const w = (model: Model): Tensor => model.graph.initializers.get('w')!;
/** Quicker than toEqual, which looks at a million bytes one by one. */
const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const code = (name: string) => expect.objectContaining({ code: name });

describe('external data', () => {
  it('is read from the model’s folder when it is touched', async () => {
    writeFileSync(join(folder, 'm.onnx'), pointing('sub/w.bin', 4, 8, 16));
    const model = await readModelFile(join(folder, 'm.onnx'));
    expect(() => w(model).bytes).toThrowError(code('onnx/external-missing'));
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub/w.bin'), new Uint8Array(Float32Array.of(9, 9, 1, 2, 3, 4).buffer));
    expect([...floats(w(model))]).toEqual([1, 2, 3, 4]);
  });

  it('comes from the caller where there is no folder', () => {
    const seen: unknown[] = [];
    const external = (...asked: [string, number, number]): Uint8Array => {
      seen.push(asked);
      return new Uint8Array(asked[2]);
    };
    expect([...floats(w(readModel(pointing('w.bin', 4, 64), { external })))]).toEqual([0, 0, 0, 0]);
    expect(seen).toEqual([['w.bin', 64, 16]]);
    expect(() => w(readModel(pointing('w.bin'))).bytes).toThrowError(code('onnx/external-missing'));
    const short = readModel(pointing('w.bin'), { external: () => new Uint8Array(3) });
    expect(() => w(short).bytes).toThrowError(code('onnx/external-truncated'));
  });

  it('may not lie outside the folder', () => {
    for (const location of [
      '/etc/passwd',
      '../w.bin',
      'a/../../w.bin',
      'C:\\w.bin',
      '\\\\host\\w',
      '..\\w.bin',
      '',
      'a\0b',
    ]) {
      expect(() => readModel(pointing(location), { folder })).toThrowError(code('onnx/external-path'));
    }
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(16));
    expect(w(readModel(pointing('a/../w.bin'), { folder })).bytes).toEqual(new Uint8Array(16));
  });

  it('may not be a link that leads out, or no file at all', () => {
    mkdirSync(join(folder, 'model'));
    mkdirSync(join(folder, 'model/dir'));
    writeFileSync(join(folder, 'secret'), new Uint8Array(16));
    symlinkSync(join(folder, 'secret'), join(folder, 'model/w.bin'));
    symlinkSync(folder, join(folder, 'model/up'));
    for (const location of ['w.bin', 'up/secret']) {
      const read = readModel(pointing(location), { folder: join(folder, 'model') });
      expect(() => w(read).bytes).toThrowError(code('onnx/external-path'));
    }
    expect(() => w(readModel(pointing('dir'), { folder: join(folder, 'model') })).bytes).toThrowError(
      code('onnx/external-missing'),
    );
  });

  it('is found in a download cache, where model and data are links into one store', async () => {
    mkdirSync(join(folder, 'store'));
    mkdirSync(join(folder, 'snapshot'));
    writeFileSync(join(folder, 'store/1'), pointing('m.onnx_data'));
    writeFileSync(join(folder, 'store/2'), new Uint8Array(16));
    symlinkSync('../store/1', join(folder, 'snapshot/m.onnx'));
    symlinkSync('../store/2', join(folder, 'snapshot/m.onnx_data'));
    expect(w(await readModelFile(join(folder, 'snapshot/m.onnx'))).bytes).toEqual(new Uint8Array(16));
  });

  it('must be there in full, as large as the dimensions ask', () => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(16));
    expect(() => w(readModel(pointing('w.bin', 4, 8), { folder })).bytes).toThrowError(code('onnx/external-truncated'));
    expect(() => w(readModel(pointing('w.bin', 2 ** 40), { folder })).bytes).toThrowError(
      code('onnx/external-truncated'),
    );
    expect(() => w(readModel(pointing('w.bin', 4, 0, 12), { folder })).bytes).toThrowError(
      code('onnx/external-truncated'),
    );
  });

  it('is refused when it changed after the model was read', () => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(16));
    const read = readModel(pointing('w.bin'), { folder });
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(20));
    expect(() => w(read).bytes).toThrowError(code('onnx/external-changed'));
  });

  it('is written inside by writeModel', () => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    const read = readModel(pointing('w.bin'), { folder });
    expect([...floats(w(readModel(writeModel(read))))]).toEqual([1, 2, 3, 4]);
  });

  it('is written inside when a node’s attribute or sub-graph refers to it', () => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(16));
    const weight = ramp(4);
    const inner = graphOf([['w', weight]]);
    const node = {
      op: 'If',
      domain: '',
      name: '',
      inputs: [],
      outputs: [],
      attrs: { then_branch: { kind: 'graph', value: inner }, value: { kind: 'tensor', value: weight } },
    } as const;
    const saving = { placed: new Map([[weight, { location: 'w.bin', offset: 0 }]]), mayShare: () => false };
    const read = readModel(
      encode((sink) => putModel(sink, modelOf(graphOf([], [node])), saving)),
      { folder },
    );
    expect(Buffer.from(writeModel(read)).includes('w.bin')).toBe(false);
  });
});

describe('writeModelFile', () => {
  const big = modelOf(
    graphOf([
      ['w', ramp(1000)],
      ['small', ramp(3)],
      ['v', ramp(300_000, 5)],
    ]),
  );

  it('writes one file, and nothing else stays behind', async () => {
    const file = join(folder, 'm.onnx');
    const written = await writeModelFile(file, big);
    expect(readdirSync(folder)).toEqual(['m.onnx']);
    expect(written).toEqual([{ path: file, bytes: readFileSync(file).length }]);
    expect(sameBytes(readFileSync(file), writeModel(big))).toBe(true);
  });

  it('moves large weights beside the model above the limit, large ones at a page', async () => {
    const file = join(folder, 'm.onnx');
    const written = await writeModelFile(file, big, { externalAboveBytes: 1000 });
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx_data']);
    expect(written.map(({ bytes }) => bytes)).toEqual([readFileSync(file).length, 65_536 + 1_200_000]);
    const read = await readModelFile(file);
    for (const [name, weight] of big.graph.initializers) {
      expect(sameBytes(read.graph.initializers.get(name)!.bytes, weight.bytes)).toBe(true);
    }
    expect(written[0]!.bytes).toBeLessThan(1000);
  });

  it('moves out weights of unchanged sub-graphs too', async () => {
    const attrs = { body: { kind: 'graph', value: graphOf([['w', ramp(1000)]]) } } as const;
    const node = { op: 'Loop', domain: '', name: '', inputs: [], outputs: [], attrs };
    const read = readModel(writeModel(modelOf(graphOf([], [node]))));
    const file = join(folder, 'm.onnx');
    const [, data] = await writeModelFile(file, read, { externalAboveBytes: 1000 });
    expect(data?.bytes).toBe(4000);
    expect(writeModel(await readModelFile(file))).toEqual(writeModel(read));
  });

  it('shares the data file of a neighbour only when asked', async () => {
    await writeModelFile(join(folder, 'a.onnx'), big, { externalAboveBytes: 1000 });
    const read = await readModelFile(join(folder, 'a.onnx'));
    const edited = {
      ...read,
      graph: { ...read.graph, initializers: new Map([...read.graph.initializers, ['w', ramp(1000, 7)]]) },
    };
    const b = join(folder, 'b.onnx');
    await writeModelFile(b, edited, { shareData: true });
    expect(readdirSync(folder).sort()).toEqual(['a.onnx', 'a.onnx_data', 'b.onnx']);
    expect(readFileSync(b).length).toBeLessThan(10_000);
    const again = await readModelFile(b);
    expect(floats(w(again))[0]).toBe(7);
    expect(sameBytes(again.graph.initializers.get('v')!.bytes, ramp(300_000, 5).bytes)).toBe(true);
    await writeModelFile(b, edited);
    expect(readFileSync(b).length).toBeGreaterThan(1_200_000);
  });

  it('leaves the old file and no other when a weight cannot be had', async () => {
    const file = join(folder, 'm.onnx');
    writeFileSync(file, 'old');
    const broken = readModel(pointing('gone.bin', 1000), { folder });
    for (const externalAboveBytes of [1e9, 100]) {
      await expect(writeModelFile(file, broken, { externalAboveBytes })).rejects.toMatchObject({
        code: 'onnx/external-missing',
      });
      expect(readdirSync(folder)).toEqual(['m.onnx']);
      expect(readFileSync(file, 'utf8')).toBe('old');
    }
    await expect(writeModelFile(join(folder, 'no/m.onnx'), big)).rejects.toMatchObject({ code: 'file/unwritable' });
  });

  it('overwrites a model and the data that it is read from', async () => {
    const file = join(folder, 'm.onnx');
    await writeModelFile(file, big, { externalAboveBytes: 1000 });
    const untouched = await readModelFile(file);
    const read = await readModelFile(file);
    await writeModelFile(file, { ...read, doc: 'edited' }, { externalAboveBytes: 1000 });
    const again = await readModelFile(file);
    expect(again.doc).toBe('edited');
    expect({ ...w(again) }).toEqual(ramp(1000));
    expect(() => w(untouched).bytes).toThrowError(code('onnx/external-changed'));
  });
});

it('a tensor that stands alone keeps no reference to a file', () => {
  writeFileSync(join(folder, 'w.bin'), new Uint8Array(16));
  const weight = w(readModel(pointing('w.bin'), { folder }));
  expect(Buffer.from(encode((sink) => putTensor(sink, 'w', weight, INSIDE))).includes('w.bin')).toBe(false);
});
