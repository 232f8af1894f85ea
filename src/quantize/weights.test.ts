import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { checkGraph } from '../graph/check.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Attr, Model, Node } from '../graph/model.ts';
import { float32, floats, int64, tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { hqq } from './blocked/hqq.ts';
import { type BlockBits, fromBlocks, packBits, roundToNearest } from './blocks.ts';
import { dtypes } from './dtype.ts';
import { quantizeDynamic } from './dynamic.ts';
import { quantizeEmbeddings } from './embeddings.ts';
import { toHalfStorage } from './half.ts';
import { quantizeWeights } from './weight-only.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'weights');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

/** X [N, K] · W [K, N] + b */
function dense(w: Float32Array, K: number, N: number): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [2, K]);
  const y = g.Add(g.MatMul(x, g.constant(float32([K, N], w), 'weight')), g.constant(float32([N], noise(N)), 'bias'));
  return modelFrom({
    ...finish([valueInfo(y.name, 'float32', ['N', N])]),
    inputs: [valueInfo('x', 'float32', ['N', K])],
    values: new Map(),
  });
}
async function answer(model: Model, x: Float32Array, K: number, optimize?: 'none'): Promise<Float32Array> {
  using session = await engine.load(writeModel(model), optimize ? { optimize } : {});
  return floats(Object.values(await session.run({ x: float32([x.length / K, K], x) }))[0]!);
}
const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (p: Float32Array, q: Float32Array) => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

describe.each([2, 4, 8] as const)('%s bits', (bits: BlockBits) => {
  it.each([16, 32, 64, 128, 256])('blocks of %s mean to the engine what they mean to us', async (size) => {
    const [K, N] = [300, 24]; // the last block is not full
    const w = noise(K * N);
    const x = noise(2 * K);
    for (const method of ['nearest', 'asymmetric', 'hqq'] as const) {
      const shape = { K, N, bits, size };
      const blocks = method === 'hqq' ? hqq(w, shape) : roundToNearest(w, shape, method === 'nearest');
      const model = dense(w, K, N);
      const { model: small, report } = await quantizeWeights(
        model,
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
      const meant = {
        ...model,
        graph: {
          ...model.graph,
          initializers: new Map(
            [...model.graph.initializers].map(([name, t]) => [
              name,
              name === 'weight' ? float32([K, N], fromBlocks(blocks, shape)) : t,
            ]),
          ),
        },
      };
      const [a, b] = [await answer(small, x, K), await answer(meant, x, K)];
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

it('dynamic int8 stays close, fuses, and shares the integers of one input', async () => {
  const [K, N] = [128, 64];
  const w = noise(K * N);
  const model = dense(w, K, N);
  const { model: small, report } = await quantizeDynamic(model, {}, { engine });
  const x = noise(4 * K);
  expect(cosine(await answer(small, x, K), await answer(model, x, K))).toBeGreaterThan(0.999);
  expect(report.quantized).toHaveLength(1);
  expect(report.after.bytes).toBeLessThan(report.before.bytes / 3);
});

it('dynamic int8 stores convolutions in 8 bits, but for those that are excluded', async () => {
  const { g, finish } = draft();
  const w = g.constant(float32([32, 16, 3, 3], noise(32 * 16 * 9)), 'kernel');
  const y = g.emit('Conv', [g.input('x', 'float32', [1, 16, 8, 8]), w], {}, { name: 'layer' })[0]!;
  const graph = finish([valueInfo(y.name, y.dtype, y.dims)]);
  const model = modelFrom(graph);
  const kernels = async (exclude: readonly string[]): Promise<boolean> =>
    (await quantizeDynamic(model, { exclude }, { engine })).model.graph.initializers.has('kernel');
  expect([await kernels([]), await kernels(['layer']), await kernels(['Conv'])]).toEqual([false, true, true]);
});

/** Two branches of a merged decoder, which share matrices with each other and with what follows them. */
function branches(): Model {
  const K = 64;
  const matrix = () =>
    float32(
      [K, K],
      noise(K * K).map((v) => v / 8),
    );
  const plain = (op: string, inputs: string[], output: string): Node => ({
    op,
    domain: '',
    name: output,
    inputs,
    outputs: [output],
    attrs: {},
  });
  const branch = (name: string, nodes: Node[]): Attr => {
    const outputs = [{ name: nodes.at(-1)!.outputs[0]! }];
    return { kind: 'graph', value: { name, nodes, inputs: [], outputs, initializers: new Map(), values: new Map() } };
  };
  const choice: Node = {
    ...plain('If', ['cached'], 'h'),
    attrs: {
      then_branch: branch('first', [plain('MatMul', ['x', 'W'], 'a'), plain('MatMul', ['a', 'V'], 'b')]),
      else_branch: branch('later', [plain('MatMul', ['x', 'V'], 'c'), plain('MatMul', ['c', 'W'], 'd')]),
    },
  };
  return modelFrom({
    name: 'merged',
    nodes: [choice, plain('MatMul', ['h', 'W'], 'y')],
    inputs: [valueInfo('x', 'float32', ['N', K]), valueInfo('cached', 'bool', [])],
    outputs: [valueInfo('y', 'float32', ['N', K])],
    initializers: new Map([
      ['W', matrix()],
      ['V', matrix()],
    ]),
    values: new Map(),
  });
}

it.each(['q8', 'uint8', 'q4', 'q4f16', 'bnb4'] as const)(
  'quantises branches too, each matrix once, as %s',
  async (dtype) => {
    const model = branches();
    const { model: small, kept } = await dtypes[dtype].run(model, {}, { engine });
    expect(kept).toEqual([]);
    checkGraph(small);
    const large = [...small.graph.initializers.values()].filter(({ bytes }) => bytes.length >= 2048);
    expect(large).toHaveLength(2);
    expect(large.every(({ dtype }) => /^u?int8$/.test(dtype))).toBe(true);
    const x = float32([3, 64], noise(3 * 64));
    for (const cached of [0, 1]) {
      const feeds = { x, cached: tensor('bool', [], [cached]) };
      using before = await engine.load(writeModel(model));
      using after = await engine.load(writeModel(small));
      const [p, q] = [await before.run(feeds), await after.run(feeds)].map(({ y }) => floats(y!));
      expect(cosine(p!, q!)).toBeGreaterThan(dtype.includes('8') ? 0.999 : 0.97);
    }
  },
);

it.each(['q8', 'q4', 'bnb4'] as const)(
  'quantises a table that is turned to be multiplied with, as %s',
  async (dtype) => {
    const [V, D] = [96, 32];
    const { g, finish } = draft();
    const table = g.constant(float32([V, D], noise(V * D)), 'table');
    const rows = g.Gather(table, g.input('ids', 'int64', [3]));
    const y = g.MatMul(rows, g.Transpose(table, { perm: [1, 0] }));
    const graph = { ...finish([valueInfo(y.name, 'float32', [3, V])]), values: new Map() };
    const model = modelFrom(graph);
    const { model: small, kept } = await dtypes[dtype].run(model, {}, { engine });
    expect(kept).toEqual([]);
    expect(small.graph.nodes.some(({ op }) => op === 'Transpose')).toBe(false);
    const ids = int64([3], [0, 50, 95]);
    using before = await engine.load(writeModel(model));
    using after = await engine.load(writeModel(small));
    const [p, q] = [await before.run({ ids }), await after.run({ ids })].map((out) => floats(Object.values(out)[0]!));
    expect(cosine(p!, q!)).toBeGreaterThan(dtype === 'q8' ? 0.999 : 0.97);
  },
);

it('dynamic int8 stores a matrix that stands on the left', async () => {
  const [M, K, N] = [48, 32, 5];
  const { g, finish } = draft();
  const y = g.MatMul(g.constant(float32([M, K], noise(M * K)), 'left'), g.input('x', 'float32', [2, K, N]));
  const graph = { ...finish([valueInfo(y.name, 'float32', [2, M, N])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small, report } = await quantizeDynamic(model, {}, { engine });
  expect(report.kept).toMatchObject([{ why: 'its matrix stands on the left' }]);
  expect(small.graph.initializers.has('left')).toBe(false);
  const x = float32([2, K, N], noise(2 * K * N));
  using before = await engine.load(writeModel(model));
  using after = await engine.load(writeModel(small));
  const [p, q] = [await before.run({ x }), await after.run({ x })].map((out) => floats(Object.values(out)[0]!));
  expect(cosine(p!, q!)).toBeGreaterThan(0.9999);
});

it('gptq and awq leave branches to rounding to nearest', async () => {
  const data = inMemory({
    name: 'rows',
    inputs: {
      x: { dtype: 'float32', dims: [64], data: noise(128 * 64) },
      cached: { dtype: 'bool', dims: [], data: Uint8Array.of(1), whole: true },
    },
  });
  for (const method of ['gptq', 'awq'] as const) {
    const { report } = await quantizeWeights(branches(), { method, data }, { engine });
    expect(report.quantized).toHaveLength(5);
  }
});

it('dynamic int8 stores tables by rows, but for those that are excluded', async () => {
  const [V, D] = [60, 32];
  const { g, finish } = draft();
  const sizes = Float32Array.from({ length: V }, (_, v) => 2 ** (v % 9));
  const table = noise(V * D).map((x, i) => x * sizes[Math.floor(i / D)]!);
  const rows = g.Gather(g.constant(float32([V, D], table), 'table'), g.input('ids', 'int64', [3]));
  const graph = { ...finish([valueInfo(rows.name, 'float32', [3, D])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small } = await quantizeDynamic(model, {}, { engine });
  expect(small.graph.initializers.has('table')).toBe(false);
  using session = await engine.load(writeModel(small));
  const looked = floats(Object.values(await session.run({ ids: int64([3], [0, 8, 59]) }))[0]!);
  [0, 8, 59].forEach((v, i) => {
    const row = table.slice(v * D, (v + 1) * D);
    const step = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
    row.forEach((x, d) => {
      expect(Math.abs(looked[i * D + d]! - x)).toBeLessThan(0.51 * step);
    });
  });
  const kept = await quantizeDynamic(model, { exclude: ['Gather'] }, { engine });
  expect(kept.model.graph.initializers.has('table')).toBe(true);
});

it('float16 storage halves the file and keeps what float16 cannot hold', async () => {
  const [K, N] = [64, 64];
  const model = dense(noise(K * N), K, N);
  const { model: small, report } = toHalfStorage(model);
  const x = noise(2 * K);
  expect(cosine(await answer(small, x, K), await answer(model, x, K))).toBeGreaterThan(0.99999);
  expect(report.after.bytes).toBeLessThan(0.55 * report.before.bytes);
  expect(toHalfStorage(dense(noise(K * N).fill(1e6), K, N)).report.kept[0]!.why).toContain('65504');
  expect(toHalfStorage(dense(noise(K * N).fill(1e-9), K, N)).report.kept[0]!.why).toContain('too small');
});

it.each(['q4', 'bnb4', 'q8'] as const)('stores a matrix that several layers share once, as %s', async (dtype) => {
  const [K, N] = [64, 64];
  const { g, finish } = draft();
  const w = g.constant(float32([K, N], noise(K * N)), 'shared');
  const y = g.MatMul(g.Relu(g.MatMul(g.input('x', 'float32', [2, K]), w)), w);
  const graph = { ...finish([valueInfo(y.name, 'float32', ['N', N])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small } = await dtypes[dtype].run(model, {}, { engine });
  const large = [...small.graph.initializers.values()].filter(({ bytes }) => bytes.length >= (K * N) / 2);
  expect(large).toHaveLength(1);
  const x = noise(2 * K);
  expect(cosine(await answer(small, x, K), await answer(model, x, K))).toBeGreaterThan(0.97);
});

describe.each([4, 8] as const)('blocks of %s bits in standard ONNX', (bits) => {
  it.each([16, 32, 128])('of %s weights mean to the engine what they mean to us', async (size) => {
    const [K, N] = [256, 24];
    const w = noise(K * N);
    const x = noise(2 * K);
    for (const symmetric of [true, false]) {
      const model = dense(w, K, N);
      const options = { bits, block: size, symmetric, standard: true } as const;
      const { model: small } = await quantizeWeights(model, options, { engine });
      expect(small.graph.nodes.every(({ domain }) => domain === '')).toBe(true);
      checkGraph(small);
      const shape = { K, N, bits, size };
      const meant = dense(fromBlocks(roundToNearest(w, shape, symmetric), shape), K, N);
      const initializers = new Map([...meant.graph.initializers, ['bias', model.graph.initializers.get('bias')!]]);
      const [a, b] = [
        await answer(small, x, K, 'none'),
        await answer({ ...meant, graph: { ...meant.graph, initializers } }, x, K, 'none'),
      ];
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
  using session = await engine.load(writeModel(small));
  const places = [0, 99, 7, 7, 50];
  const looked = floats(Object.values(await session.run({ ids: int64([5], places) }))[0]!);
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

it('stores what float16 cannot hold as bfloat16', async () => {
  const w = noise(64 * 8).map((v) => v * 1e6);
  const model = dense(w, 64, 8);
  const { model: small, report } = toHalfStorage(model, { as: 'bfloat16' });
  expect(report.kept).toEqual([]);
  const x = noise(2 * 64);
  expect(cosine(await answer(small, x, 64), await answer(model, x, 64))).toBeGreaterThan(0.9999);
  expect(toHalfStorage(model).report.kept.length).toBe(1);
});
