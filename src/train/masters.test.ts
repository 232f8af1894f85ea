/** Weights that are stored narrow learn, and stay in the type and on the grid that they had. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, numbers, sizeOf, type Tensor, tensor, toHalf } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { fit } from './fit.ts';
import { withMasters } from './masters.ts';
import { adam } from './optim/adam.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const draw = (dims: readonly number[], seed: number): Float32Array => {
  const source = random(seed, 'weights');
  return Float32Array.from({ length: sizeOf(dims) }, () => 0.5 * source.normal());
};
const half = (dims: readonly number[], seed: number): Tensor =>
  tensor('float16', dims, Uint16Array.from(draw(dims, seed), toHalf));
const integers = (dims: readonly number[], seed: number): Tensor =>
  tensor(
    'int8',
    dims,
    Array.from(draw(dims, seed), (x) => Math.max(-127, Math.min(127, Math.round(x / 0.02)))),
  );
const one = (g: Builder, value: number): StaticValue => g.constant(float32([], [value]));
const u8 = (g: Builder, value: number): StaticValue => g.constant(tensor('uint8', [], [value]));

/** Two layers from x [N, 4] to logits [N, 2], stored narrow. */
const networks: Readonly<
  Record<string, { dtype: 'float16' | 'float32'; make: (g: Builder, x: StaticValue) => StaticValue }>
> = {
  'all in float16': {
    dtype: 'float16',
    make: (g, x) => {
      const hidden = g.Relu(g.Gemm(x, g.constant(half([4, 16], 1), 'w1'), g.constant(half([16], 2), 'b1')));
      return g.Gemm(hidden, g.constant(half([16, 2], 3), 'w2'));
    },
  },
  'float16 storage, float32 arithmetic': {
    dtype: 'float32',
    make: (g, x) => {
      const hidden = g.Relu(g.Gemm(x, g.Cast(g.constant(half([4, 16], 1), 'w1'), { to: 1 })));
      return g.Gemm(hidden, g.Cast(g.constant(half([16, 2], 3), 'w2'), { to: 1 }));
    },
  },
  'integers around floats (QDQ)': {
    dtype: 'float32',
    make: (g, x) => {
      const around = (v: StaticValue) =>
        g.DequantizeLinear(g.QuantizeLinear(v, one(g, 0.03), u8(g, 128)), one(g, 0.03), u8(g, 128));
      const scales = g.constant(float32([16], new Float32Array(16).fill(0.02)));
      const w1 = g.DequantizeLinear(g.constant(integers([4, 16], 1), 'w1'), scales, { axis: 1 });
      const b1 = g.DequantizeLinear(g.constant(tensor('int32', [16], new Int32Array(16)), 'b1'), one(g, 6e-4));
      const hidden = around(g.Relu(g.Gemm(around(x), w1, b1)));
      return g.Gemm(hidden, g.DequantizeLinear(g.constant(integers([16, 2], 3), 'w2'), one(g, 0.02)));
    },
  },
  'integer kernels': {
    dtype: 'float32',
    make: (g, x) => {
      const q = g.QuantizeLinear(x, one(g, 0.03), u8(g, 128));
      const zero = g.constant(tensor('int8', [], [0]));
      const layer = (v: StaticValue, s: number, w: string, dims: readonly number[], to: number) =>
        g.QLinearMatMul(
          v,
          one(g, s),
          u8(g, 128),
          g.constant(integers(dims, 1), w),
          one(g, 0.02),
          zero,
          one(g, to),
          u8(g, 128),
        );
      const hidden = g.Relu(g.DequantizeLinear(layer(q, 0.03, 'w1', [4, 16], 0.03), one(g, 0.03), u8(g, 128)));
      const again = g.QuantizeLinear(hidden, one(g, 0.03), u8(g, 128));
      return g.DequantizeLinear(layer(again, 0.03, 'w2', [16, 2], 0.05), one(g, 0.05), u8(g, 128));
    },
  },
  'integer products, ranges as they come': {
    dtype: 'float32',
    make: (g, x) => {
      const layer = (v: StaticValue, w: string, dims: readonly number[], steps: StaticValue, zeros: StaticValue) => {
        const [q, scale, zero] = g.emit('DynamicQuantizeLinear', [v], {}, { outputs: 3 });
        const sum = g.MatMulInteger(q!, g.constant(integers(dims, 1), w), zero!, zeros);
        return g.Mul(g.Cast(sum, { to: 1 }), g.Mul(scale!, steps));
      };
      const perColumn = g.constant(float32([16], new Float32Array(16).fill(0.02)));
      const hidden = g.Relu(layer(x, 'w1', [4, 16], perColumn, g.constant(tensor('int8', [16], new Int8Array(16)))));
      return layer(hidden, 'w2', [16, 2], one(g, 0.02), g.constant(tensor('int8', [], [3])));
    },
  },
  'integers as storage alone': {
    dtype: 'float32',
    make: (g, x) => {
      const floatsOf = (w: string, dims: readonly number[], steps: Tensor) =>
        g.Mul(g.Cast(g.constant(integers(dims, 1), w), { to: 1 }), g.constant(steps, `s ${w}`));
      const perKernel = float32([8, 1, 1, 1], new Float32Array(8).fill(0.02));
      const map = g.Reshape(x, [-1, 1, 2, 2]);
      const hidden = g.Flatten(g.Relu(g.Conv(map, floatsOf('w1', [8, 1, 2, 2], perKernel), null)));
      const perColumn = float32([1, 8], new Float32Array(8).fill(0.02));
      const deep = g.Relu(g.MatMul(hidden, floatsOf('w2', [8, 8], perColumn)));
      return g.MatMul(deep, floatsOf('w3', [8, 2], float32([], [0.02])));
    },
  },
  'integers as storage alone, with zero points': {
    dtype: 'float32',
    make: (g, x) => {
      const floatsOf = (w: string, dims: readonly number[], steps: Tensor, zeros: Tensor) => {
        const whole = g.Cast(g.constant(integers(dims, 1), w), { to: 1 });
        return g.Mul(g.Sub(whole, g.constant(zeros, `z ${w}`)), g.constant(steps, `s ${w}`));
      };
      const along = (dims: readonly number[], of: (i: number) => number) =>
        float32(
          dims,
          Float32Array.from({ length: 8 }, (_, i) => of(i)),
        );
      const [step, zero] = [(i: number) => 0.02 + 0.001 * i, (i: number) => i - 4];
      const map = g.Reshape(x, [-1, 1, 2, 2]);
      const kernel = floatsOf('w1', [8, 1, 2, 2], along([8, 1, 1, 1], step), along([8, 1, 1, 1], zero));
      const hidden = g.Flatten(g.Relu(g.Conv(map, kernel, null)));
      const deep = g.Relu(g.MatMul(hidden, floatsOf('w2', [8, 8], float32([], [0.02]), along([1, 8], zero))));
      return g.MatMul(deep, floatsOf('w3', [8, 2], float32([], [0.02]), float32([], [5])));
    },
  },
  'integer convolution': {
    dtype: 'float32',
    make: (g, x) => {
      const [q, scale, zero] = g.emit('DynamicQuantizeLinear', [x], {}, { outputs: 3 });
      const map = g.emit('Reshape', [q, [-1, 1, 2, 2]])[0]!;
      const sum = g.ConvInteger(map, g.constant(integers([8, 1, 2, 2], 1), 'w1'), zero!);
      const hidden = g.Relu(g.Mul(g.Cast(sum, { to: 1 }), g.Mul(scale!, one(g, 0.02))));
      return g.MatMul(g.Flatten(hidden), g.constant(float32([8, 2], draw([8, 2], 3)), 'w2'));
    },
  },
};

/** Two classes, told by a sum. */
function sums(size: number): Dataset {
  const data = draw([size, 4], 9);
  const classes = Int32Array.from({ length: size }, (_, i) =>
    data[i * 4]! + data[i * 4 + 1]! > data[i * 4 + 2]! ? 1 : 0,
  );
  return inMemory({
    name: 'sums',
    inputs: { x: { dtype: 'float32', dims: [4], data } },
    labels: { dtype: 'int64', dims: [], data: classes },
  });
}

function modelOf({ dtype, make }: (typeof networks)[string]): Model {
  const building = draft();
  const y = make(building.g, building.g.input('x', dtype, ['N' as never, 4]));
  const graph = building.finish([valueInfo(y.name, y.dtype, ['N', 2])]);
  return modelFrom(graph);
}

describe.each(Object.entries(networks))('%s', (_, network) => {
  it('learns, and only the weights of the file change', async () => {
    const model = modelOf(network);
    const { model: learnt, report } = await fit(
      model,
      sums(256),
      { epochs: 4, batch: 32, optimizer: adam({ lr: 0.02 }) },
      { engine, seed: 0 },
    );
    expect(report.epochs.at(-1)!.loss).toBeLessThan(0.8 * report.epochs[0]!.loss);
    for (const [name, old] of model.graph.initializers) {
      const now = learnt.graph.initializers.get(name)!;
      expect({ dtype: now.dtype, dims: now.dims }, name).toEqual({ dtype: old.dtype, dims: old.dims });
      const isWeight = name.startsWith('w');
      expect(
        numbers(now).some((x, i) => x !== numbers(old)[i]),
        name,
      ).toBe(isWeight || name === 'b1');
    }
    using session = await engine.load(writeModel(learnt));
    expect(session.inputs[0]!.dtype).toBe(network.dtype);
  });

  it('keeps what nothing was learnt about, to the last bit', () => {
    const model = modelOf(network);
    const { model: masters, settle } = withMasters(model);
    const again = settle({
      ...masters,
      graph: {
        ...masters.graph,
        initializers: new Map([...masters.graph.initializers].map(([name, t]) => [name, { ...t }])),
      },
    });
    for (const [name, old] of model.graph.initializers) {
      expect(numbers(again.graph.initializers.get(name)!), name).toEqual(numbers(old));
    }
  });
});
