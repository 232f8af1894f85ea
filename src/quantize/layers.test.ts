import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, float32, floats, tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { addChannels, meanShift, meansOf } from './correct/means.ts';
import { equalize } from './equalize.ts';
import { roundEven } from './grid.ts';
import { observe } from './observe.ts';
import { quantize } from './quantize.ts';
import { saturates } from './saturate.ts';
import { along, channelMaxima, dequantizeWeight, quantizeWeight, roundingOf } from './weight.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(11, 'layers');
const noise = (count: number, size = 1): Float32Array =>
  Float32Array.from({ length: count }, () => size * source.normal());
type G = Builder<StaticValue>;
function model(make: (g: G, x: StaticValue) => StaticValue): Model {
  const { g, finish } = draft();
  const y = make(g, g.input('x', 'float32', [2, 8, 6, 6]));
  const graph = finish([valueInfo(y.name, 'float32', ['N', ...y.dims.slice(1)])]);
  return modelFrom({ ...graph, values: new Map(), inputs: [valueInfo('x', 'float32', ['N', 8, 6, 6])] });
}
async function answer(of: Model, x: Float32Array): Promise<Float32Array> {
  using session = await engine.load(writeModel(of));
  return floats(Object.values(await session.run({ x: float32([2, 8, 6, 6], x) }))[0]!);
}

describe('equalize', () => {
  const uneven = (g: G, x: StaticValue): StaticValue => {
    // Rows of very different size, each undone by the next layer's column.
    const sizes = Float32Array.from({ length: 8 }, (_, i) => 4 ** (i - 4));
    const w1 = noise(8 * 8 * 9, 0.2).map((v, i) => v * sizes[Math.floor(i / 72)]!);
    const w2 = noise(8 * 9, 0.3).map((v, i) => v / sizes[Math.floor(i / 9)]!);
    const pads = [1, 1, 1, 1];
    const a = g.Relu(
      g.Conv(x, g.constant(float32([8, 8, 3, 3], w1), 'w1'), g.constant(float32([8], noise(8)), 'b1'), { pads }),
    );
    const b = g.Relu(
      g.Conv(a, g.constant(float32([8, 1, 3, 3], w2), 'w2'), g.constant(float32([8], noise(8)), 'b2'), {
        pads,
        group: 8,
      }),
    );
    const c = g.Conv(b, g.constant(float32([4, 8, 1, 1], noise(32)), 'w3'), null);
    return g.Gemm(g.Flatten(g.GlobalAveragePool(c)), g.constant(float32([3, 4], noise(12)), 'w4'), null, { transB: 1 });
  };

  it('computes the same with channels of even size', async () => {
    const before = model(uneven);
    const { model: after, report } = equalize(before);
    expect(report.pairs).toHaveLength(2);
    const x = noise(2 * 8 * 36);
    const [a, b] = [await answer(before, x), await answer(after, x)];
    const most = a.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    a.forEach((v, i) => {
      expect(Math.abs(b[i]! - v)).toBeLessThan(1e-5 * most);
    });
    // In the fixed point, what leaves channel i is as large as what enters it.
    const maxima = (name: string, channels: number, inner: number) =>
      channelMaxima(floats(after.graph.initializers.get(name)!), { channels, inner });
    const [r1, r2, r3] = [maxima('w1', 8, 72), maxima('w2', 8, 9), maxima('w3', 8, 1)];
    for (let c = 0; c < 8; c++) {
      expect(r1[c]! / r2[c]!).toBeCloseTo(1, 2);
      expect(r2[c]! / r3[c]!).toBeCloseTo(1, 2);
    }
  });

  it('makes one scale for all channels do', async () => {
    const before = model(uneven);
    const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims: [8, 6, 6], data: noise(64 * 288) } } });
    const noiseOf = async (m: Model) =>
      (await quantize(m, { data, perChannel: false, biasCorrect: false }, { engine })).report.agreement.noise;
    expect(await noiseOf(equalize(before).model)).toBeLessThan(0.5 * (await noiseOf(before)));
  });

  it('leaves a clamp with an upper end alone unless it may go', () => {
    const capped = model((g, x) => {
      const a = g.Clip(g.Conv(x, g.constant(float32([8, 8, 1, 1], noise(64)), 'w1'), null), g.scalar(0), g.scalar(6));
      return g.Conv(a, g.constant(float32([8, 8, 1, 1], noise(64)), 'w2'), null);
    });
    expect(equalize(capped).report.pairs).toHaveLength(0);
    const { model: open, report } = equalize(capped, { uncap: true });
    expect(report.pairs).toHaveLength(1);
    expect(open.graph.nodes.find(({ op }) => op === 'Clip')!.inputs).toHaveLength(2);
  });
});

it('rounds weights to the nearest integer, halves to even, and tells what that adds', () => {
  const w = Float32Array.of(0.5, 1.5, -0.5, -2.5, 3.49, -3.51, 1e9, -1e9, 126.5, -126.5, 0, -0.2);
  const [scales, lie] = [Float32Array.of(1, 0.3), along([2, 6], 0)];
  const codes = quantizeWeight(w, scales, lie, 127);
  const nearest = Array.from(w, (x, i) => Math.min(127, Math.max(-127, roundEven(x / scales[Math.floor(i / 6)]!))));
  expect([...codes]).toEqual(nearest.map((code) => code + 0));
  const back = dequantizeWeight(codes, scales, lie);
  expect(roundingOf(w, codes, scales, lie)).toEqual(back.map((value, i) => value - w[i]!));
});

describe('bias correction', () => {
  it('adds up what the weights differ by times what they read', () => {
    // [O = 2, C = 2, 1, 2], means 1 and 10
    const difference = Float32Array.of(1, 2, 3, 4, 0, 0, 0.5, 0);
    expect([...meanShift(difference, [2, 2, 1, 2], 0, [1, 10])]).toEqual([3 + 70, 5]);
    // Two groups of one channel each
    expect([...meanShift(Float32Array.of(1, 2), [2, 1, 1, 1], 0, [1, 10])]).toEqual([1, 20]);
    // [K = 2, N = 3]
    expect([...meanShift(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], 1, [1, 10])]).toEqual([41, 52, 63]);
  });

  it('averages by channel over batches, maps and rows alike', () => {
    const first = addChannels(undefined, Float32Array.of(1, 3, 10, 30), [1, 2, 2], false);
    expect([...meansOf(addChannels(first, Float32Array.of(5, 7, 20, 20), [1, 2, 2], false))]).toEqual([4, 20]);
    expect([...meansOf(addChannels(undefined, Float32Array.of(1, 10, 3, 30), [1, 2, 2], true))]).toEqual([2, 20]);
  });

  it('brings the means of a quantised layer back to the float ones', async () => {
    const small = model((g, x) =>
      g.GlobalAveragePool(g.Conv(g.Relu(x), g.constant(float32([8, 8, 1, 1], noise(64)), 'w'), null)),
    );
    const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims: [8, 6, 6], data: noise(64 * 288) } } });
    const run = async (biasCorrect: boolean) =>
      (await quantize(small, { data, biasCorrect, weightBits: 7 }, { engine })).report.agreement.noise;
    expect(await run(true)).toBeLessThan(await run(false));
  });
});

it('observes every sample once, in batches, and graph inputs without a run', async () => {
  const net = model((g, x) => g.Relu(x));
  const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims: [8, 6, 6], data: noise(5 * 288) } } });
  const seen: Record<string, number> = {};
  const inner = net.graph.nodes[0]!.outputs[0]!;
  await observe(
    net,
    ['x', inner],
    data,
    (name, x) => {
      seen[name] = (seen[name] ?? 0) + x.length;
    },
    { samples: [0, 1, 2, 3, 4], task: 'look', batch: 2 },
    { engine },
  );
  expect(seen).toEqual({ x: 5 * 288, [inner]: 5 * 288 });
});

it('tells whether the engine loses bits, and weights of 7 bits lose none', async () => {
  const lossy = await saturates(engine);
  const sum = async (weight: number): Promise<number> => {
    const [K, N] = [32, 8];
    using session = await engine.load(
      writeModel({
        ir: 8,
        opsets: { '': 17 },
        producer: { name: '', version: '' },
        metadata: {},
        graph: {
          name: 'sum',
          nodes: [{ op: 'MatMulInteger', domain: '', name: '', inputs: ['x', 'w'], outputs: ['y'], attrs: {} }],
          inputs: [valueInfo('x', 'uint8', [1, K])],
          outputs: [valueInfo('y', 'int32', [1, N])],
          initializers: new Map([['w', tensor('int8', [K, N], new Int8Array(K * N).fill(weight))]]),
          values: new Map(),
        },
      }),
    );
    const { y } = await session.run({ x: tensor('uint8', [1, K], new Uint8Array(K).fill(255)) });
    return Number(elements(y!)[0]);
  };
  expect(await sum(64)).toBe(255 * 64 * 32);
  expect((await sum(127)) !== 255 * 127 * 32).toBe(lossy);
});
