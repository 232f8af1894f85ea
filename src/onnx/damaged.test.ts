import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PareError } from '../base/error.ts';
import type { Graph, Model } from '../graph/model.ts';
import { float32, int64 } from '../graph/tensor.ts';
import { readModel } from './read.ts';
import { readModelFile } from './read-file.ts';
import { writeTensorProto } from './tensor-proto.ts';
import { writeModel } from './write.ts';

const inner: Graph = {
  name: 'branch',
  nodes: [{ op: 'Relu', domain: '', name: '', inputs: ['x'], outputs: ['o'], attrs: {} }],
  inputs: [],
  outputs: [{ name: 'o', type: { kind: 'tensor', dtype: 'float32', dims: ['N', null, 3] } }],
  initializers: new Map([['k', int64([2], [1, -1])]]),
  values: new Map(),
};
const model: Model = {
  ir: 8,
  opsets: { '': 17, 'com.microsoft': 1 },
  producer: { name: 'test', version: '1' },
  metadata: { key: 'value' },
  graph: {
    name: 'g',
    nodes: [
      {
        op: 'If',
        domain: '',
        name: 'if',
        inputs: ['c'],
        outputs: ['y'],
        attrs: {
          then_branch: { kind: 'graph', value: inner },
          pads: { kind: 'ints', value: [1, 2, 300] },
          alpha: { kind: 'floats', value: [0.5] },
          value: { kind: 'tensor', value: float32([3], [1, 2, 3]) },
        },
      },
    ],
    inputs: [{ name: 'x', type: { kind: 'tensor', dtype: 'float32', dims: ['N', 2] } }],
    outputs: [{ name: 'y' }],
    initializers: new Map([['w', float32([16], new Float32Array(16))]]),
    values: new Map(),
  },
};
const bytes = writeModel(model);

/** Everything a reader may touch; only errors of ours may come out. */
const readAll = (damaged: Uint8Array): PareError | undefined => {
  try {
    const touch = (graph: Graph): void => {
      for (const { bytes, strings } of graph.initializers.values()) expect([bytes, strings]).toBeDefined();
      for (const node of graph.nodes) {
        for (const attr of Object.values(node.attrs)) {
          if (attr.kind === 'graph') touch(attr.value);
          if (attr.kind === 'tensor') expect(attr.value.bytes).toBeDefined();
        }
      }
    };
    const read = readModel(damaged);
    touch(read.graph);
    writeModel({ ...read, graph: { ...read.graph, nodes: read.graph.nodes.map((node) => ({ ...node })) } });
    return undefined;
  } catch (error) {
    if (error instanceof PareError && !error.code.startsWith('internal/')) return error;
    throw error;
  }
};

describe('a damaged file', () => {
  it('cut at any byte within the graph is truncated, and says where', () => {
    for (let length = 1; length < bytes.length; length++) {
      const error = readAll(bytes.subarray(0, length));
      // Between two fields of the model nothing is missing but what follows.
      if (!error) continue;
      expect(['onnx/truncated', 'onnx/not-onnx']).toContain(error.code);
      if (error.code === 'onnx/truncated') expect(error.detail.where).toMatch(/^byte \d+$/);
    }
    expect(readAll(bytes.subarray(0, bytes.length >> 1))?.code).toBe('onnx/truncated');
  });

  it('with any bits flipped gives a model or an error of ours', () => {
    const flips = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(flips, (list) => {
        const damaged = bytes.slice();
        for (const [at, bits] of list) damaged[at]! ^= bits;
        readAll(damaged);
      }),
      { numRuns: 3000 },
    );
  });

  it('of random bytes gives an error of ours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (it) => void readAll(it)),
      { numRuns: 3000 },
    );
  });

  it('with giant lengths is refused before anything is allocated', () => {
    const giant = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for (const tag of [0x0a, 0x12, 0x2a, 0x3a, 0x42, 0x5a, 0x62]) {
      expect(() => readModel(Uint8Array.from([0x08, 8, 0x3a, ...giant]))).toThrow(PareError);
      expect(() => readModel(Uint8Array.from([0x08, 8, 0x3a, 12, tag, ...giant, 0]))).toThrow(PareError);
    }
    // A tensor that claims 2^40 elements and holds one.
    const claim = [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x10, 0x01, 0x22, 0x04, 0, 0, 0, 0];
    const read = readModel(Uint8Array.from([0x08, 8, 0x3a, claim.length + 2, 0x2a, claim.length, ...claim]));
    const weight = read.graph.initializers.get('')!;
    expect(weight.dims).toEqual([2 ** 40]);
    expect(() => weight.bytes).toThrowError(expect.objectContaining({ code: 'tensor/size' }));
  });

  it('that nests without end is refused', () => {
    let graph = new Uint8Array(0);
    const wrap = (tag: number): void => {
      const length = graph.length;
      graph = Uint8Array.from([tag, (length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14, ...graph]);
    };
    for (let i = 0; i < 400; i++) for (const tag of [0x32, 0x2a, 0x0a]) wrap(tag);
    wrap(0x3a);
    expect(() => readModel(graph)).toThrowError(expect.objectContaining({ code: 'onnx/malformed' }));
  });

  it('with a number of eleven bytes, a wrong wire type or two graphs is malformed', () => {
    const cases = [
      [0x08, ...new Array<number>(10).fill(0xff), 1],
      [0x3a, 0, 0x0a, 1, 8],
      [0x08, 8, 0x3a, 0, 0x3a, 0],
      [0x08, 8, 0x3b],
    ];
    for (const bad of cases) {
      expect(() => readModel(Uint8Array.from(bad))).toThrowError(expect.objectContaining({ code: 'onnx/malformed' }));
    }
  });
});

describe('a file that is no model', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pare-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const latin = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

  it.each([
    ['a PyTorch checkpoint', latin('PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl')],
    ['a zip archive', latin('PK\x03\x04\x14\x00\x00\x00hello.txt')],
    ['JSON', latin('{"a": [1, 2]}')],
    ['an HTML or XML page', latin('<!DOCTYPE html><html>')],
    ['a safetensors file', latin('\x40\x00\x00\x00\x00\x00\x00\x00{"weight":{"dtype":"F32"}}')],
    ['a TensorFlow Lite model', latin('\x1c\x00\x00\x00TFL3\x14\x00')],
    ['a Python pickle', latin('\x80\x02}q\x00(X\x06\x00\x00\x00')],
    ['a Git LFS pointer', latin('version https://git-lfs.github.com/spec/v1\noid sha256:1')],
    ['a text file', latin('hello, world\n')],
    ['a protobuf message without a graph', writeTensorProto('w', float32([2], [1, 2]))],
  ])('is called what it looks like: %s', async (kind, content) => {
    const file = join(folder, 'model.onnx');
    writeFileSync(file, content);
    await expect(readModelFile(file)).rejects.toMatchObject({
      code: 'onnx/not-onnx',
      message: expect.stringContaining(kind),
      detail: { where: file },
    });
  });

  it('is reported missing, empty, or a folder', async () => {
    const empty = join(folder, 'empty.onnx');
    writeFileSync(empty, '');
    await expect(readModelFile(empty)).rejects.toMatchObject({ code: 'onnx/empty' });
    await expect(readModelFile(join(folder, 'no.onnx'))).rejects.toMatchObject({ code: 'file/missing' });
    await expect(readModelFile(folder)).rejects.toMatchObject({ code: 'file/unreadable' });
  });
});
