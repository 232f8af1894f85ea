import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { checkGraph } from '../graph/check.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, floats } from '../graph/tensor.ts';
import { readModel, writeModel } from '../onnx/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { calibrate, calibratorOf, write } from './calibrated.ts';
import { prepare } from './prepare.ts';
import { quantize } from './quantize.ts';
import { sensitivity } from './sensitivity.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(7, 'nets');
const noise = (dims: readonly number[], size = 1): Float32Array =>
  Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => size * source.normal());
type G = Builder<StaticValue>;
const conv = (g: G, x: StaticValue, O: number, k = 3, group = 1, bias = true): StaticValue => {
  const dims = [O, x.dims[1]! / group, k, k];
  const w = g.constant(float32(dims, noise(dims, Math.sqrt(2 / (dims[1]! * k * k)))), 'w');
  const pads = new Array<number>(4).fill((k - 1) / 2);
  return g.Conv(x, w, bias ? g.constant(float32([O], noise([O], 0.1)), 'b') : null, { pads, group });
};
const dense = (g: G, x: StaticValue, O: number): StaticValue => {
  const dims = [O, x.dims[1]!];
  return g.Gemm(
    x,
    g.constant(float32(dims, noise(dims, 1 / Math.sqrt(dims[1]!))), 'w'),
    g.constant(float32([O], noise([O])), 'b'),
    { transB: 1 },
  );
};
const PLACES = [2, 16, 12, 12] as const;
function net(make: (g: G, x: StaticValue) => StaticValue, dims: readonly number[] = PLACES): Model {
  const { g, finish } = draft();
  const y = make(g, g.input('pixels', 'float32', dims));
  const graph = finish([valueInfo(y.name, 'float32', ['N', ...y.dims.slice(1)])]);
  return modelFrom({ ...graph, values: new Map(), inputs: [valueInfo('pixels', 'float32', ['N', ...dims.slice(1)])] });
}
const samples = (dims: readonly number[] = PLACES) =>
  inMemory({
    name: 'noise',
    inputs: { x: { dtype: 'float32', dims: dims.slice(1), data: noise([64, ...dims.slice(1)]) } },
  });

const NETS: Readonly<Record<string, (g: G, x: StaticValue) => StaticValue>> = {
  'conv, ReLU, max-pool, conv, ReLU, dense': (g, x) => {
    const a = g.MaxPool(g.Relu(conv(g, x, 16)), { kernel_shape: [2, 2], strides: [2, 2] });
    return dense(g, g.Flatten(g.Relu(conv(g, a, 8))), 10);
  },
  'ReLU behind the pool': (g, x) => {
    const a = g.Relu(g.MaxPool(conv(g, x, 16), { kernel_shape: [2, 2], strides: [2, 2] }));
    return dense(g, g.Flatten(a), 10);
  },
  'residual block': (g, x) => {
    const a = g.Relu(conv(g, x, 16));
    const b = g.Relu(g.Add(conv(g, g.Relu(conv(g, a, 16)), 16), a));
    return dense(g, g.Flatten(g.GlobalAveragePool(b)), 10);
  },
  'inverted residual with ReLU6 and a depthwise convolution': (g, x) => {
    const relu6 = (y: StaticValue) => g.Clip(y, g.scalar(0), g.scalar(6));
    const a = relu6(conv(g, relu6(conv(g, x, 32, 1)), 32, 3, 32));
    return g.Softmax(
      dense(g, g.Flatten(g.AveragePool(g.Add(conv(g, a, 16, 1), conv(g, x, 16, 1)), { kernel_shape: [12, 12] })), 10),
    );
  },
  'shortcut that pads channels': (g, x) => {
    const a = g.Relu(conv(g, x, 16));
    const short = g.Pad(g.Slice(a, [0, 0], [12, 12], [2, 3], [2, 2]), [0, 8, 0, 0, 0, 8, 0, 0]);
    const long = g.MaxPool(conv(g, a, 32), { kernel_shape: [2, 2], strides: [2, 2] });
    return dense(g, g.Flatten(g.GlobalAveragePool(g.Relu(g.Add(long, short)))), 10);
  },
  'branches that are joined, SiLU': (g, x) => {
    const silu = (y: StaticValue) => g.Mul(y, g.Sigmoid(y));
    const a = silu(conv(g, x, 16));
    const b = g.Concat(silu(conv(g, a, 8, 1)), g.LeakyRelu(conv(g, a, 8), { alpha: 0.1 }), { axis: 1 });
    return dense(g, g.Flatten(g.GlobalAveragePool(b)), 10);
  },
  'batch norm, mean over places': (g, x) => {
    const vector = (v: number) => g.constant(float32([16], new Float32Array(16).fill(v)), 'bn');
    const a = g.Relu(
      g.BatchNormalization(conv(g, x, 16, 3, 1, false), vector(1.5), vector(0.1), vector(0.2), vector(2)),
    );
    return dense(g, g.Flatten(g.ReduceMean(a, [2, 3])), 10);
  },
  'hard swish, squeeze and excitation': (g, x) => {
    const a = g.HardSwish(conv(g, x, 16));
    const gate = (y: StaticValue) => g.HardSigmoid(y, { alpha: 1 / 6, beta: 0.5 });
    const excitation = gate(conv(g, g.Relu(conv(g, g.GlobalAveragePool(a), 4, 1)), 16, 1));
    const b = g.HardSwish(conv(g, g.Mul(a, excitation), 16, 1));
    return dense(g, g.Flatten(g.GlobalAveragePool(b)), 10);
  },
  'a constant that scales': (g, x) => {
    const a = g.Mul(g.Relu(conv(g, x, 16)), g.scalar(0.25));
    const b = g.Div(g.Add(a, conv(g, a, 16)), g.scalar(3));
    return dense(g, g.Flatten(g.GlobalAveragePool(g.Add(b, a))), 10);
  },
  'convolution to the end': (g, x) => conv(g, g.Relu(conv(g, x, 16)), 4, 1),
};
const FLOAT =
  /^(Fused)?(Conv|Gemm|MatMul|Add|AveragePool|GlobalAveragePool|Concat|MaxPool|LeakyRelu|Mul|Div|Sigmoid|Clip|HardSigmoid|HardSwish)$/;

describe.each(Object.entries(NETS))('%s', (_, make) => {
  it('runs on integers throughout, close to the floats, for any batch', async () => {
    const model = net(make);
    const { model: small, report } = await quantize(model, { data: samples() }, { engine });
    const again = readModel(writeModel(small));
    checkGraph(again);
    expect(again.graph.inputs.map(({ name }) => name)).toEqual(['pixels']);
    expect(again.graph.outputs.map(({ name }) => name)).toEqual(model.graph.outputs.map(({ name }) => name));
    expect(report.agreement.cosine).toBeGreaterThan(0.99);
    if (report.fused) expect(Object.keys(report.fused.ops).filter((op) => FLOAT.test(op))).toEqual([]);
    using session = await engine.load(writeModel(small));
    const y = await session.run({ pixels: float32([5, 16, 12, 12], noise([5, 16, 12, 12])) });
    expect(Object.values(y)[0]!.dims[0]).toBe(5);
  });

  it('computes on integers what its pairs say in floats', async () => {
    const { model: small } = await quantize(net(make), { data: samples(), pairSafe: true }, { engine });
    const bytes = writeModel(small);
    using integers = await engine.load(bytes);
    using simulated = await engine.load(bytes, { config: { 'session.disable_quant_qdq': '1' } });
    const feeds = { pixels: float32([2, 16, 12, 12], noise([2, 16, 12, 12], 3)) };
    const [a, b] = [await integers.run(feeds), await simulated.run(feeds)].map((y) => floats(Object.values(y)[0]!));
    const most = b!.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    // A step or two of the last grid: overflow would show as tens of percent.
    expect(a!.reduce((m, v, i) => Math.max(m, Math.abs(v - b![i]!)), 0)).toBeLessThan(0.03 * most);
  });
});

const seed = NETS['conv, ReLU, max-pool, conv, ReLU, dense']!;

it('gives the same bytes for the same input', async () => {
  const [model, data] = [net(seed), samples()];
  const bytes = async () => writeModel((await quantize(model, { data }, { engine })).model);
  expect(await bytes()).toEqual(await bytes());
});

it('puts a hard swish together again where it stays in floats', async () => {
  const model = net((g, x) => dense(g, g.Flatten(g.HardSwish(g.Tanh(conv(g, x, 8)))), 4));
  const { model: small } = await quantize(model, { data: samples() }, { engine });
  const ops = small.graph.nodes.map(({ op }) => op);
  expect(ops).toContain('HardSwish');
  expect(ops).not.toContain('Clip');
});

it('keeps what timing calls slow in floats, its weights in 8 bits, and says so', async () => {
  const model = net(seed);
  const { model: small, report } = await quantize(model, { data: samples(), kernels: 'measured' }, { engine });
  const slow = report.speed!.slow;
  const kept = report.kept.filter(({ why }) => why === 'integers are not faster here').map(({ node }) => node);
  expect([...kept].sort()).toEqual([...slow].sort());
  expect(report.agreement.cosine).toBeGreaterThan(0.99);
  expect(report.after.bytes).toBeLessThan(report.before.bytes);
  const stored = small.graph.nodes.filter(
    ({ op, inputs }) => op === 'Cast' && small.graph.initializers.has(inputs[0]!),
  );
  if (slow.length > 0) expect(stored.length).toBeGreaterThan(0);
  checkGraph(small);
});

it('computes slow layers in floats as they were', async () => {
  const model = prepare(net(seed));
  const ready = await calibrate(model, calibratorOf(), samples(), Int32Array.of(0, 1, 2), { engine });
  const slow = model.graph.nodes.map(({ name, outputs }) => name || outputs[0]!);
  const { plan, written } = write(ready, { slow });
  expect(plan.kernels.size).toBe(0);
  expect(written.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
});

it('leaves excluded nodes in floats and says so', async () => {
  const model = net(seed);
  const first = model.graph.nodes[0]!;
  const { report } = await quantize(model, { data: samples(), exclude: [first.outputs[0]!] }, { engine });
  expect(report.kept).toContainEqual({ node: first.name || first.outputs[0], op: 'Conv', why: 'excluded' });
  if (report.fused)
    expect(Object.keys(report.fused.ops).some((op) => /Conv$/.test(op) && !op.startsWith('QLinear'))).toBe(true);
});

it('names what has no integer kernel', async () => {
  const model = net((g, x) => dense(g, g.Flatten(g.Tanh(conv(g, x, 8))), 4));
  const { report } = await quantize(model, { data: samples() }, { engine });
  expect(report.kept.map(({ op, why }) => [op, why])).toContainEqual(['Tanh', 'Tanh has no integer kernel']);
});

it('refuses a model without layers', async () => {
  const model = net((g, x) => g.Relu(x));
  await expect(quantize(model, { data: samples() }, { engine })).rejects.toMatchObject({ code: 'quantize/nothing' });
});

it('refuses an unknown calibrator with the nearest name', async () => {
  await expect(
    quantize(net(seed), { data: samples(), calibrate: 'percentil' as 'percentile' }, { engine }),
  ).rejects.toMatchObject({ code: 'option/unknown', message: expect.stringContaining('percentile') });
});

it('stops when it is asked to', async () => {
  const signal = AbortSignal.abort();
  await expect(quantize(net(seed), { data: samples() }, { engine, signal })).rejects.toMatchObject({
    code: 'work/aborted',
  });
});

it('finds the layer that integers hurt, and takes it back to floats', async () => {
  // One channel of the middle layer is 2000 times the others: its grid leaves the others no steps.
  const model = net((g, x) => {
    const a = g.Relu(conv(g, x, 16));
    const w = noise([8, 16, 1, 1], 0.2);
    w.fill(400, 0, 16);
    const middle = g.Relu(g.Conv(a, g.constant(float32([8, 16, 1, 1], w), 'wide'), { pads: [0, 0, 0, 0] }));
    const last = noise([10, 8], 1);
    for (let o = 0; o < 10; o++) last[o * 8] = 0;
    return g.Gemm(g.Flatten(g.GlobalAveragePool(middle)), g.constant(float32([10, 8], last), 'last'), null, {
      transB: 1,
    });
  });
  const data = samples();
  const { report } = await quantize(model, { data, maxDrop: 0.05 }, { engine });
  const { escalation } = report;
  expect(escalation!.dropBefore).toBeGreaterThan(0.2);
  expect(escalation!.held).toBe(true);
  expect(escalation!.drop).toBeLessThanOrEqual(0.05);
  expect(escalation!.reverted.length).toBeGreaterThan(0);
  expect(report.agreement.sameTop).toBeGreaterThan(0.9);
  // A scale for each channel of the weight is fine enough: it was the activations' grid that was not.
  expect(escalation!.stored).toEqual(escalation!.reverted);
  expect(report.kept).toContainEqual(
    expect.objectContaining({ node: escalation!.reverted[0], why: 'integers lose too much here' }),
  );

  const ready = await calibrate(
    prepare(model),
    calibratorOf(),
    data,
    Int32Array.from({ length: 64 }, (_, i) => i),
    { engine },
    { everywhere: true },
  );
  const ranked = await sensitivity(ready, {}, data, [0, 1, 2, 3, 4, 5, 6, 7], { engine });
  expect(ranked).toHaveLength(3);
  expect(ranked[0]!.loss).toBeGreaterThan(10 * ranked[2]!.loss);
  expect(write(ready, { only: ranked[2]!.node }).plan.kernels.size).toBe(1);
});

it('gives a model back as it was where no layer keeps within the bound', async () => {
  // Differences of 1e-6 decide: no grid of 8 bits shows them, for activations or for weights.
  const model = net((g, x) => {
    const w = noise([10, 16 * 144], 1e-6).map((value) => value + 1);
    return g.Gemm(g.Flatten(x), g.constant(float32([10, 16 * 144], w), 'alike'), null, { transB: 1 });
  });
  const { model: written, report } = await quantize(model, { data: samples(), maxDrop: 0 }, { engine });
  expect(report.escalation).toMatchObject({ held: true, drop: 0, stored: [] });
  expect(report.escalation!.dropBefore).toBeGreaterThan(0.5);
  expect(report.scheme).toBe('float arithmetic: integers lose too much here');
  expect([report.quantized, report.after.bytes]).toEqual([0, report.before.bytes]);
  expect(written.graph).toBe(model.graph);
});

it('gives layers of few bits more bits before it takes any back to floats', async () => {
  const data = samples();
  const quantized = (maxDrop?: number) =>
    quantize(
      net(seed),
      { data, weightBits: 2, pairSafe: false, ...(maxDrop !== undefined && { maxDrop }) },
      { engine },
    );
  const before = (await quantized()).report;
  const { report, model } = await quantized(0.1);
  expect(report.escalation!.dropBefore).toBeGreaterThan(0.1);
  expect(report.escalation!.held).toBe(true);
  expect(report.escalation!.reverted).toEqual([]);
  expect(report.escalation!.lifted.length).toBeGreaterThan(0);
  expect(report.quantized).toBe(before.quantized);
  const stored = [...model.graph.initializers.values()].filter(
    ({ dtype, dims }) => dtype === 'int8' && dims.length > 1,
  );
  expect(stored).toHaveLength(report.escalation!.lifted.length);
});

it('brings the file below a bound by 4 bits for as few layers as it takes, and says where nothing does', async () => {
  const model = net((g, x) => dense(g, g.Flatten(conv(g, g.Relu(conv(g, x, 16)), 32)), 24));
  const data = samples();
  const whole = await quantize(model, { data }, { engine });
  const { bytes } = whole.report.after;
  const bound = Math.round(bytes * 0.85);
  const { report } = await quantize(model, { data, maxBytes: bound }, { engine });
  expect(report.after.bytes).toBeLessThanOrEqual(bound);
  expect(report.narrowed).toMatchObject({ held: true });
  expect(report.narrowed!.layers.length).toBeGreaterThan(0);
  expect(report.narrowed!.layers.length).toBeLessThan(3);
  expect(report.agreement.cosine).toBeGreaterThan(0.98);
  const roomy = await quantize(model, { data, maxBytes: bytes }, { engine });
  expect(roomy.report.narrowed).toMatchObject({ layers: [], held: true });
  expect(roomy.report.after.bytes).toBe(bytes);
  const never = await quantize(model, { data, maxBytes: 100 }, { engine });
  expect(never.report.narrowed).toMatchObject({ held: false });
  expect(never.report.after.bytes).toBeLessThan(report.after.bytes + 1);
});

it('says of a model on integers that it is quantised already', async () => {
  const data = samples();
  const { model } = await quantize(net(seed), { data }, { engine });
  await expect(quantize(model, { data }, { engine })).rejects.toMatchObject({
    code: 'quantize/nothing',
    detail: { hint: expect.stringContaining('integers already') },
  });
});
