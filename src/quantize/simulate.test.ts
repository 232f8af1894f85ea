import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { differentiate } from '../grad/differentiate.ts';
import { expand } from '../grad/expand.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { float32, floats } from '../graph/tensor.ts';
import { conv2d, dense, flatten, maxPool2d, relu, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { calibrate, calibratorOf, write } from './calibrated.ts';
import { fakeQuantize } from './fake-quantize.ts';
import { labelOf } from './plan.ts';
import { prepare } from './prepare.ts';
import { quantizeAware } from './qat.ts';
import { quantize } from './quantize.ts';
import { simulate } from './simulate.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const model = (graph: Graph): Model => modelFrom(graph);
const run = async (graph: Graph, feeds: Record<string, Float32Array>, dims: Record<string, readonly number[]>) => {
  using session = await engine.load(writeModel(model(expand(graph, infer(graph), () => true))), { optimize: 'none' });
  const results = await session.run(
    Object.fromEntries(Object.entries(feeds).map(([name, x]) => [name, float32(dims[name]!, x)])),
  );
  return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, floats(t)]));
};

describe('FakeQuantize', () => {
  it('gives what rounding to integers and coming back gives', async () => {
    const { g, finish } = draft();
    const x = g.input('x', 'float32', [64]);
    const y = g.emit('FakeQuantize', [x, g.scalar(0.07)], { least: -8, most: 7 }, { domain: 'pare' })[0]!;
    const source = random(3, 'x');
    const values = Float32Array.from({ length: 64 }, () => 0.5 * source.normal());
    const result = await run(finish([valueInfo(y.name, 'float32', [64])]), { x: values }, { x: [64] });
    const expected = fakeQuantize(values, { scale: 0.07, bits: 4 });
    result[y.name]!.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i]!, 6);
    });
  });

  it('has the slopes of the straight-through estimate and of a learnt step', async () => {
    // One row: inside below a half, inside above, beyond the top, beyond the bottom; s = 0.5, limits −2 and 1.
    const { g, finish } = draft();
    const x = g.input('x', 'float32', [1, 4]);
    const s = g.input('s', 'float32', [1]);
    const y = g.emit('FakeQuantize', [x, s], { axis: 0, least: -2, most: 1 }, { domain: 'pare' })[0]!;
    const loss = g.ReduceSum(g.Mul(y, g.constant(float32([1, 4], [1, 2, 3, 4]))), [0, 1], { keepdims: 0 });
    const forward = finish([valueInfo(loss.name, 'float32', [])]);
    const { graph, slopes } = differentiate(forward, loss.name, ['x', 's'], infer(forward));
    const outputs = [...slopes.values()].map((name) => ({ name }));
    const named: Graph = { ...graph, outputs };
    const result = await run(
      named,
      { x: Float32Array.of(0.1, 0.4, 9, -9), s: Float32Array.of(0.5) },
      { x: [1, 4], s: [1] },
    );
    expect([...result[slopes.get('x')!]!]).toEqual([1, 2, 0, 0]);
    // v = 0.2, 0.8: round(v) − v = −0.2, 0.2; the limits 1 and −2; times 1 / √(4 · 1)
    expect(result[slopes.get('s')!]![0]).toBeCloseTo((1 * -0.2 + 2 * 0.2 + 3 * 1 + 4 * -2) / 2, 5);
  });
});

const images = (count: number) => {
  const source = random(5, 'images');
  const data = Float32Array.from({ length: count * 64 }, () => source.normal());
  return inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [1, 8, 8], data } } });
};
const net = () =>
  sequential([conv2d(8, 3), relu(), maxPool2d(2), conv2d(8, 3), relu(), flatten(), dense(5)], { input: [1, 8, 8] });
const batch = {
  x: float32(
    [4, 1, 8, 8],
    Float32Array.from({ length: 256 }, (_, i) => Math.sin(i)),
  ),
};
/** For batches of 4, so that composite ops can be expanded. */
const inFours = (of: Model): Model => ({
  ...of,
  graph: { ...of.graph, inputs: [valueInfo('x', 'float32', [4, 1, 8, 8])] },
});

it('computes in floats what the written pairs say', async () => {
  const data = images(64);
  const samples = Int32Array.from({ length: 64 }, (_, i) => i);
  const ready = await calibrate(prepare(inFours(net())), calibratorOf(), data, samples, { engine });
  const last = labelOf(ready.model.graph.nodes.at(-1)!);
  for (const [weightBits, wide] of [[8], [4], [3, last], [2]] as const) {
    const asked = { weightBits, biasShifts: new Map(), ...(wide && { wide: [wide] }) };
    const { model: learner, settle } = await simulate(ready, asked);
    const settled = settle(learner);
    const { written } = write(settled.calibrated, settled.options);
    const stored = [...written.graph.initializers.values()].filter(({ dims }) => dims.length > 1);
    expect(stored.map(({ dtype }) => dtype)).toEqual(
      ['first', 'second', last].map((layer) => (weightBits === 8 || layer === wide ? 'int8' : 'int4')),
    );
    using pairs = await engine.load(writeModel(written), { config: { 'session.disable_quant_qdq': '1' } });
    const whole = { ...learner, graph: expand(learner.graph, infer(learner.graph), () => true) };
    using simulated = await engine.load(writeModel(whole));
    const [a, b] = [await pairs.run(batch), await simulated.run(batch)].map((y) => floats(Object.values(y)[0]!));
    const most = b!.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    // A step of the last grid here and there, where a sum lies on a half.
    expect(a!.reduce((m, v, i) => Math.max(m, Math.abs(v - b![i]!)), 0)).toBeLessThan(0.02 * most);
  }
});

it('learns to be closer to the float network at 3 bits than rounding to nearest is', async () => {
  const data = images(256);
  const float = net();
  const nearest = await quantize(float, { data, weightBits: 3, pairSafe: false }, { engine });
  const { model: aware, report } = await quantizeAware(
    float,
    { data, weightBits: 3, epochs: 20, batch: 32, lr: 1e-3, pairSafe: false },
    { engine },
  );
  const { compare } = await import('./agreement.ts');
  const all = Int32Array.from({ length: 256 }, (_, i) => i);
  const divergence = async (of: Model) => (await compare(float, of, data, all, { engine })).divergence!;
  expect(report.epochs).toHaveLength(20);
  expect(await divergence(aware)).toBeLessThan(0.9 * (await divergence(nearest.model)));
});

it('learns on a network made for one sample at a time as on the open one', async () => {
  const data = images(64);
  const open = net();
  const fixed: Model = {
    ...open,
    graph: { ...open.graph, inputs: [valueInfo('x', 'float32', [1, 1, 8, 8])], values: new Map() },
  };
  const learn = async (model: Model): Promise<number[]> => {
    const { report } = await quantizeAware(model, { data, epochs: 2, batch: 32, pairSafe: false }, { engine });
    return report.epochs.map(({ loss }) => loss);
  };
  expect(await learn(fixed)).toEqual(await learn(open));
});

it('keeps rounding to nearest where learning does harm', async () => {
  const data = images(128);
  const float = net();
  const notes: string[] = [];
  const lab = { engine, onNote: (text: string) => void notes.push(text) };
  const wild = { data, weightBits: 4, epochs: 1, batch: 16, lr: 10, pairSafe: false } as const;
  const { model, report } = await quantizeAware(float, wild, lab);
  expect(report.helped).toBe(false);
  expect(notes).toContainEqual(expect.stringContaining('rounded to nearest'));
  const all = Int32Array.from({ length: 128 }, (_, i) => i);
  const { compare } = await import('./agreement.ts');
  const nearest = (await quantize(float, { data, weightBits: 4, pairSafe: false, biasCorrect: false }, { engine }))
    .model;
  const divergence = async (of: Model) => (await compare(float, of, data, all, { engine })).divergence!;
  expect(await divergence(model)).toBeCloseTo(await divergence(nearest), 6);
});
