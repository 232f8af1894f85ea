import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PareError } from '../base/error.ts';
import type { Graph, Model } from '../graph/model.ts';
import { float32, floats } from '../graph/tensor.ts';
import { readBytes, readModel } from './read.ts';
import { skeletonOf } from './skeleton.ts';
import { writeModel } from './write.ts';

const ramp = (from: number) =>
  float32(
    [20_000],
    Float32Array.from({ length: 20_000 }, (_, i) => from + i),
  );
const graphOf = (nodes: Graph['nodes']): Graph => ({
  name: 'g',
  nodes,
  inputs: [],
  outputs: [{ name: 'y' }],
  initializers: new Map([
    ['w', ramp(0)],
    ['small', float32([2], [1, 2])],
    ['v', ramp(5)],
  ]),
  values: new Map(),
});
const plain = { domain: '', inputs: [], outputs: ['y'] };
const model: Model = {
  ir: 8,
  opsets: { '': 17 },
  producer: { name: 'test', version: '1' },
  metadata: { key: 'value' },
  graph: graphOf([
    { ...plain, op: 'Constant', name: 'c', attrs: { value: { kind: 'tensor', value: ramp(9) } } },
    { ...plain, op: 'If', name: 'i', attrs: { then_branch: { kind: 'graph', value: graphOf([]) } } },
  ]),
};
const bytes = writeModel(model);

let folder = '';
let file = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-'));
  file = join(folder, 'm.onnx');
  writeFileSync(file, bytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

const skeleton = (of: Uint8Array): Uint8Array | undefined =>
  skeletonOf((into, at) => {
    const part = of.subarray(at, at + into.length);
    into.set(part);
    return part.length;
  }, of.length);

it('leaves out large weights, those of attributes and sub-graphs too, and nothing else', () => {
  const small = skeleton(bytes)!;
  expect(small.length).toBeLessThan(bytes.length - 5 * 80_000 + 500);
  const read = readBytes(small, { file }, 'm.onnx');
  expect(floats(read.graph.initializers.get('v')!).at(-1)).toBe(20_004);
  expect(Buffer.compare(writeModel(read), bytes)).toBe(0);
  expect(Buffer.compare(writeModel({ ...read, doc: 'edited' }), writeModel({ ...model, doc: 'edited' }))).toBe(0);
});

it('renames a weight that lies in the file', () => {
  const read = readBytes(skeleton(bytes)!, { file }, 'm.onnx');
  const initializers = new Map([['other', read.graph.initializers.get('v')!]]);
  const again = readModel(writeModel({ ...read, graph: { ...read.graph, initializers } }));
  expect(floats(again.graph.initializers.get('other')!)[0]).toBe(5);
});

it('of a damaged file is none, or reads with errors of ours', () => {
  const flips = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });
  // Headers lie at the ends and between the weights.
  const places = [0, bytes.length - 401, 80_000, 160_000];
  fc.assert(
    fc.property(flips, fc.constantFrom(...places), fc.nat(bytes.length), (list, from, cut) => {
      const damaged = bytes.slice(0, cut % 3 === 0 ? cut : undefined);
      for (const [at, bits] of list) if (from + at < damaged.length) damaged[from + at]! ^= bits;
      const small = skeleton(damaged);
      if (!small) return;
      try {
        const { graph } = readBytes(small, { file }, 'm.onnx');
        for (const weight of graph.initializers.values()) expect(weight.bytes).toBeDefined();
      } catch (error) {
        if (!(error instanceof PareError) || error.code.startsWith('internal/')) throw error;
      }
    }),
    { numRuns: 500 },
  );
});
