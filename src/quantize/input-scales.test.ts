import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, floats } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { scaleInputs } from './input-scales.ts';
import { NF4, toNormalFloat } from './normal-float.ts';
import { quantize } from './quantize.ts';
import { smooth } from './smooth.ts';
import { quantizeWeights } from './weight-only.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(7, 'scales');
const noise = (count: number, size = 1): Float32Array =>
  Float32Array.from({ length: count }, () => size * source.normal());
const [K, N] = [64, 32];

/** A normalisation whose scale makes a few channels forty times as loud, and the two layers that read it. */
function loud(): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [2, K]);
  const scale = noise(K).map((v, k) => (k % 16 === 3 ? 40 : 1 + 0.1 * v));
  const h = g.LayerNormalization(x, g.constant(float32([K], scale)), g.constant(float32([K], noise(K, 0.1))));
  const W = noise(K * N).map((v, i) => (Math.floor(i / N) % 16 === 3 ? 0.05 * v : v));
  const a = g.MatMul(h, g.constant(float32([K, N], W), 'a'));
  const b = g.Tanh(g.MatMul(h, g.constant(float32([K, N], noise(K * N, 0.2)), 'b')));
  const y = g.MatMul(g.Add(a, b), g.constant(float32([N, 8], noise(N * 8)), 'c'));
  return modelFrom({
    ...finish([valueInfo(y.name, 'float32', ['N', 8])]),
    inputs: [valueInfo('x', 'float32', ['N', K])],
    values: new Map(),
  });
}
const samples = noise(128 * K);
const data = inMemory({ name: 'loud', inputs: { x: { dtype: 'float32', dims: [K], data: samples } } });

async function answer(model: Model, x = samples): Promise<Float32Array> {
  using session = await engine.load(writeModel(model));
  return floats(Object.values(await session.run({ x: float32([x.length / K, K], x) }))[0]!);
}
const errorOf = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / b.reduce((sum, v) => sum + v * v, 0));

describe('scales between activations and weights', () => {
  it('smooth leaves the function as it is, and makes static integers better', async () => {
    const model = loud();
    const indices = Int32Array.from({ length: data.size }, (_, i) => i);
    const { model: smoothed, scaled } = await smooth(model, data, indices, {}, { engine });
    expect(scaled.length).toBe(1); // what the addition makes cannot absorb a scale
    expect(errorOf(await answer(smoothed), await answer(model))).toBeLessThan(1e-5);
    const plain = await quantize(model, { data }, { engine });
    const calm = await quantize(model, { data, smooth: 0.5 }, { engine });
    const truth = await answer(model);
    expect(errorOf(await answer(calm.model), truth)).toBeLessThan(0.7 * errorOf(await answer(plain.model), truth));
  });

  it('awq and gptq err less than rounding to nearest on samples that they have not seen', async () => {
    const model = loud();
    const unseen = noise(64 * K);
    const truth = await answer(model, unseen);
    const errors: Record<string, number> = {};
    for (const method of ['nearest', 'awq', 'gptq'] as const) {
      const options = { method, data, bits: 4, block: 32, accuracyLevel: 0 } as const;
      const { model: small, report } = await quantizeWeights(model, options, { engine });
      expect(report.quantized.length).toBe(3);
      errors[method] = errorOf(await answer(small, unseen), truth);
    }
    expect(errors['awq']).toBeLessThan(errors['nearest']!);
    expect(errors['gptq']).toBeLessThan(errors['nearest']!);
  });
});

describe('NF4', () => {
  it('is what the engine computes with', async () => {
    const model = loud();
    const { model: small, report } = toNormalFloat(model);
    expect(report.quantized.length).toBe(3);
    const meant = {
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map(
          [...model.graph.initializers].map(([name, t]) => {
            const [rows, columns] = t.dims;
            return [name, columns === undefined ? t : float32([rows!, columns], rounded(floats(t), rows!, columns))];
          }),
        ),
      },
    };
    expect(errorOf(await answer(small), await answer(meant))).toBeLessThan(1e-5);
  });

  it('holds 0 and both ends exactly, and rises', () => {
    expect([NF4[0], NF4[7], NF4[15]]).toEqual([-1, 0, 1]);
    expect([...NF4].sort((a, b) => a - b)).toEqual([...NF4]);
  });
});

/** w [K, N] on the values of NF4, in blocks of 64 along its transpose. */
function rounded(w: Float32Array, rows: number, columns: number): Float32Array {
  const turned = Float32Array.from(w, (_, i) => w[(i % rows) * columns + Math.floor(i / rows)]!);
  for (let from = 0; from < turned.length; from += 64) {
    const block = turned.subarray(from, from + 64);
    const peak = block.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    block.forEach((v, i) => {
      block[i] = peak * NF4.reduce((a, b) => (Math.abs(b - v / peak) < Math.abs(a - v / peak) ? b : a));
    });
  }
  return Float32Array.from(w, (_, i) => turned[(i % columns) * rows + Math.floor(i / columns)]!);
}

it('factors move behind gates, ReLUs and biases, and into root mean square normalisations', async () => {
  const { g, finish } = draft();
  const matrix = (name: string, rows: number, columns: number) =>
    g.constant(float32([rows, columns], noise(rows * columns, 0.2)), name);
  const x = g.input('x', 'float32', [2, 3, K]);
  const h = g.emit('RMSNormalization', [x, g.constant(float32([K], noise(K)))])[0]!;
  const gated = g.Mul(g.Sigmoid(g.MatMul(h, matrix('gate', K, N))), g.MatMul(h, matrix('up', K, N)));
  const hidden = g.Relu(g.Add(g.MatMul(gated, matrix('down', N, K)), g.constant(float32([K], noise(K)))));
  const y = g.MatMul(hidden, matrix('out', K, 8));
  const graph = { ...finish([valueInfo(y.name, 'float32', [2, 3, 8])]), values: new Map() };
  const model = { ...modelFrom(graph), opsets: { '': 23 } };
  const run = async (each: Model): Promise<Float32Array> => {
    using session = await engine.load(writeModel(each));
    return floats(Object.values(await session.run({ x: float32([2, 3, K], samples.subarray(0, 6 * K)) }))[0]!);
  };
  const factors = ({ K: width }: { K: number }) => Float32Array.from({ length: width }, (_, k) => 0.5 + (k % 5));
  const { model: scaled, scaled: inputs } = scaleInputs(model, factors);
  expect(inputs).toHaveLength(3);
  expect(scaled.graph.nodes.filter(({ op }) => op === 'Mul')).toHaveLength(1);
  expect(errorOf(await run(scaled), await run(model))).toBeLessThan(1e-5);
});
