import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, dense } from '../../test/dense.ts';
import { random } from '../base/random.ts';
import { checkGraph } from '../graph/check.ts';
import { valueInfo } from '../graph/edit.ts';
import { float32, int64 } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { hqq } from './blocked/hqq.ts';
import { type BlockBits, fromBlocks, packBits, roundToNearest } from './blocks.ts';
import { quantizeEmbeddings } from './embeddings.ts';
import { quantizeWeights } from './weight-only.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'blocks');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

describe.each([2, 4, 8] as const)('%s bits', (bits: BlockBits) => {
  it.each([16, 32, 64, 128, 256])('blocks of %s mean to the engine what they mean to us', async (size) => {
    const [K, N] = [300, 24]; // the last block is not full
    const [w, bias] = [noise(K * N), noise(N)];
    const x = float32([2, K], noise(2 * K));
    for (const method of ['nearest', 'asymmetric', 'hqq'] as const) {
      const shape = { K, N, bits, size };
      const blocks = method === 'hqq' ? hqq(w, shape) : roundToNearest(w, shape, method === 'nearest');
      const { model: small, report } = await quantizeWeights(
        dense(w, K, N, bias),
        {
          bits,
          block: size,
          accuracyLevel: 0,
          method: method === 'hqq' ? 'hqq' : 'nearest',
          symmetric: method === 'nearest',
        },
        { engine },
      );
      expect(report.quantized).toHaveLength(1);
      const meant = dense(fromBlocks(blocks, shape), K, N, bias);
      const [a, b] = [await answer(engine, small, { x }), await answer(engine, meant, { x })];
      expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-3);
    }
  });

  it('puts the extreme weight of a block on the lowest code exactly', () => {
    const w = Float32Array.from({ length: 16 }, (_, i) => (i === 5 ? -3 : i === 6 ? 2 : 0.1));
    const shape = { K: 16, N: 1, bits, size: 16 };
    const blocks = roundToNearest(w, shape);
    expect(blocks.codes[5]).toBe(0);
    expect(fromBlocks(blocks, shape)[5]).toBeCloseTo(-3, 6);
  });
});

it('packs the first code into the lowest bits', () => {
  expect([...packBits(Uint8Array.of(1, 2, 3, 0), 2)]).toEqual([0b00111001]);
  expect([...packBits(Uint8Array.of(0xa, 0xb), 4)]).toEqual([0xba]);
});

it('hqq comes nearer than rounding where a few weights are far out', () => {
  const [K, N] = [256, 8];
  const w = noise(K * N).map((v, i) => (i % 61 === 0 ? 6 * v : v));
  const shape = { K, N, bits: 4 as const, size: 64 };
  const error = (x: Float32Array): number => x.reduce((sum, v, i) => sum + Math.abs(v - w[i]!) ** 0.7, 0);
  expect(error(fromBlocks(hqq(w, shape), shape))).toBeLessThanOrEqual(
    error(fromBlocks(roundToNearest(w, shape, false), shape)),
  );
});

it('refuses a block size that the engine lacks, and methods that get no samples', async () => {
  const model = dense(noise(64), 8, 8);
  await expect(quantizeWeights(model, { block: 48 }, { engine })).rejects.toMatchObject({ code: 'quantize/block' });
  await expect(quantizeWeights(model, { method: 'gptq' }, { engine })).rejects.toMatchObject({ code: 'quantize/data' });
});

describe.each([4, 8] as const)('blocks of %s bits in standard ONNX', (bits) => {
  it.each([16, 32, 128])('of %s weights mean to the engine what they mean to us', async (size) => {
    const [K, N] = [256, 24];
    const [w, bias] = [noise(K * N), noise(N)];
    const x = float32([2, K], noise(2 * K));
    for (const symmetric of [true, false]) {
      const options = { bits, block: size, symmetric, standard: true } as const;
      const { model: small } = await quantizeWeights(dense(w, K, N, bias), options, { engine });
      expect(small.graph.nodes.every(({ domain }) => domain === '')).toBe(true);
      checkGraph(small);
      const shape = { K, N, bits, size };
      const meant = dense(fromBlocks(roundToNearest(w, shape, symmetric), shape), K, N, bias);
      const plain = { optimize: 'none' } as const;
      const [a, b] = [await answer(engine, small, { x }, plain), await answer(engine, meant, { x }, plain)];
      a.forEach((v, i) => {
        expect(v).toBeCloseTo(b[i]!, 3);
      });
    }
  });
});

it('stores embedding tables in 4 bits, and what is looked up is what blocks mean', async () => {
  const [V, D] = [100, 96];
  const table = noise(V * D);
  const { g, finish } = draft();
  const ids = g.input('ids', 'int64', [5]);
  const y = g.Gather(g.constant(float32([V, D], table), 'table'), ids);
  const graph = { ...finish([valueInfo(y.name, 'float32', [5, D])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small, replaced } = quantizeEmbeddings(model);
  expect(replaced.length).toBe(1);
  const places = [0, 99, 7, 7, 50];
  const looked = await answer(engine, small, { ids: int64([5], places) });
  let [error, most] = [0, 0];
  looked.forEach((v, i) => {
    const truth = table[places[Math.floor(i / D)]! * D + (i % D)]!;
    error = Math.max(error, Math.abs(v - truth));
    most = Math.max(most, Math.abs(truth));
  });
  // Half a step of the widest block, plus what the symmetric grid cuts off at its upper end.
  expect(error).toBeLessThan(most / 8);
  expect(writeModel(small).length).toBeLessThan(writeModel(model).length / 5);
});
