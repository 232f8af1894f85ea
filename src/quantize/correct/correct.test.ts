import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { inMemory } from '../../data/index.ts';
import { float32, floats } from '../../graph/tensor.ts';
import { batchNorm, conv2d, dense, flatten, relu, sequential } from '../../nn/index.ts';
import { writeModel } from '../../onnx/index.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { absorbBiases } from '../absorb.ts';
import { calibrate, calibratorOf, type WriteOptions, write } from '../calibrated.ts';
import { prepare } from '../prepare.ts';
import { quantize } from '../quantize.ts';
import { valuesOf } from '../round/values.ts';
import { clippedMean, meansFromNorms } from './analytic.ts';
import { corrections } from './index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const COUNT = 64;
const samples = Int32Array.from({ length: COUNT }, (_, i) => i);
const source = random(6, 'correct');
const pixels = Float32Array.from({ length: COUNT * 3 * 64 }, () => 0.5 + source.normal());
const data = inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [3, 8, 8], data: pixels } } });
const net = () =>
  sequential([conv2d(8, 3), relu(), conv2d(8, 3), relu(), conv2d(8, 3), relu(), flatten(), dense(4)], {
    input: [3, 8, 8],
  });

describe('analytic', () => {
  it('knows the mean of a clipped normal distribution', () => {
    // By the trapezium rule over ±8 deviations.
    const numeric = (mean: number, deviation: number, lo: number, hi: number): number => {
      const steps = 40_000;
      let sum = 0;
      for (let i = 0; i <= steps; i++) {
        const z = -8 + (16 * i) / steps;
        const y = Math.min(hi, Math.max(lo, mean + deviation * z));
        sum += (y * Math.exp((-z * z) / 2) * (i === 0 || i === steps ? 0.5 : 1) * 16) / steps;
      }
      return sum / Math.sqrt(2 * Math.PI);
    };
    for (const [mean, deviation] of [
      [0, 1],
      [-1.5, 0.7],
      [2, 3],
      [0.3, 0.01],
    ] as const) {
      expect(clippedMean(mean, deviation, 0, Infinity)).toBeCloseTo(numeric(mean, deviation, 0, 1e9), 5);
      expect(clippedMean(mean, deviation, 0, 6)).toBeCloseTo(numeric(mean, deviation, 0, 6), 5);
      expect(clippedMean(mean, deviation, -Infinity, 1)).toBeCloseTo(numeric(mean, deviation, -1e9, 1), 5);
    }
  });

  it('expects behind batch norm and ReLU what scale and shift say', () => {
    const model = sequential([conv2d(2, 3), batchNorm(), relu(), conv2d(2, 1)], { input: [1, 4, 4] });
    const relued = model.graph.nodes.find(({ op }) => op === 'Relu')!.outputs[0]!;
    // γ = 1, β = 0 as initialised: E[max(0, N(0, 1))] = 1 / √(2π)
    for (const mean of meansFromNorms(model.graph).get(relued)!)
      expect(mean).toBeCloseTo(1 / Math.sqrt(2 * Math.PI), 6);
  });
});

/** How far the means of each layer's output are from the float network's, in sum of squares. */
async function meanErrors(name: keyof typeof corrections): Promise<number> {
  const options: WriteOptions = { weightBits: 4, ownShapes: true };
  const model = prepare(net());
  const calibrated = await calibrate(
    model,
    calibratorOf(),
    data,
    samples,
    { engine },
    { biasCorrect: name === 'fast' },
  );
  const task = { calibrated, options, data, samples, original: net() };
  const found = await corrections[name].run(task, { engine });
  const { written, raw } = write(calibrated, { ...options, ...found });
  let sum = 0;
  for (const output of model.graph.nodes.filter(({ op }) => op === 'Conv').map(({ outputs }) => outputs[0]!)) {
    const [a, b] = [
      (await valuesOf(model, [output], data, samples, { engine })).get(output)!,
      (await valuesOf(written, [raw.get(output)!], data, samples, { engine })).get(raw.get(output)!)!,
    ];
    const [channels, h, w] = a.dims as [number, number, number];
    for (let c = 0; c < channels; c++) {
      let [p, q] = [0, 0];
      for (let i = 0; i < a.data.length; i++) {
        if (Math.floor(i / (h * w)) % channels !== c) continue;
        p += a.data[i]!;
        q += b.data[i]!;
      }
      sum += ((p - q) / (a.data.length / channels)) ** 2;
    }
  }
  return sum;
}

it('brings means back: fast by much, full to nothing but rounding', async () => {
  const [none, fast, full] = [await meanErrors('none'), await meanErrors('fast'), await meanErrors('full')];
  expect(fast).toBeLessThan(0.5 * none);
  expect(full).toBeLessThan(0.01 * none);
});

it('lets high biases move on without a change to the answers', async () => {
  const model = net();
  const first = model.graph.nodes.find(({ op }) => op === 'Conv')!.inputs[2]!;
  const high = float32([8], [30, 0, 0, 0, 40, 0, 0, 0]);
  const biased = {
    ...model,
    graph: { ...model.graph, initializers: new Map([...model.graph.initializers, [first, high] as const]) },
  };
  const { model: after, report } = await absorbBiases(biased, data, samples, { engine });
  expect(report.moved[0]!.most).toBeGreaterThan(20);
  using a = await engine.load(writeModel(biased));
  using b = await engine.load(writeModel(after));
  const x = float32([8, 3, 8, 8], pixels.slice(0, 8 * 192));
  const [p, q] = [await a.run({ x }), await b.run({ x })].map((y) => floats(Object.values(y)[0]!));
  const most = p!.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  p!.forEach((v, i) => {
    expect(Math.abs(v - q![i]!)).toBeLessThan(1e-3 * most);
  });
  const noise = async (equalize: boolean) =>
    (await quantize(biased, { data, equalize }, { engine })).report.agreement.noise;
  expect(await noise(true)).toBeLessThan(await noise(false));
});
