/** Learnt rounding loses less than rounding to nearest, whatever kind of layer the weights belong to. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { inMemory } from '../../data/index.ts';
import { valueInfo } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { float32, sizeOf } from '../../graph/tensor.ts';
import { type Builder, draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { calibrate, calibratorOf, type WriteOptions } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';
import { prepare } from '../prepare.ts';
import { along, dequantizeWeight } from '../weight.ts';
import { roundings } from './index.ts';
import { layersOf } from './layer.ts';
import { outputError } from './seq-mse.ts';
import { startingGrid } from './start.ts';
import { valuesOf } from './values.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const COUNT = 48;
const CHANNELS = 8;
const samples = Int32Array.from({ length: COUNT }, (_, i) => i);
const source = random(5, 'every layer');
const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

/** Planes that slope, the channels of a sample mixtures of two: what a layer reads hangs together, so that rounding errors can cancel. */
const data = (() => {
  const images = new Float32Array(COUNT * CHANNELS * 36);
  const mixtures = drawn(2 * CHANNELS);
  for (let sample = 0, at = 0; sample < COUNT; sample++) {
    const slopes = drawn(6);
    for (let channel = 0; channel < CHANNELS; channel++) {
      const [level, right, down] = [0, 1, 2].map(
        (i) =>
          mixtures[2 * channel]! * slopes[i]! + mixtures[2 * channel + 1]! * slopes[i + 3]! + 0.3 * source.normal(),
      ) as [number, number, number];
      for (let p = 0; p < 36; p++) images[at++] = level + (right * (p % 6) + down * Math.floor(p / 6)) / 6;
    }
  }
  return inMemory({ name: 'planes', inputs: { x: { dtype: 'float32', dims: [CHANNELS, 6, 6], data: images } } });
})();

type Make = (g: Builder<StaticValue>, x: StaticValue) => StaticValue;
const weight = (g: Builder<StaticValue>, dims: readonly number[]): StaticValue =>
  g.constant(float32(dims, drawn(sizeOf(dims))), 'w');
const pads = [1, 1, 1, 1];

const KINDS: Readonly<Record<string, Make>> = {
  'a convolution': (g, x) => g.Conv(x, weight(g, [6, CHANNELS, 3, 3]), null, { pads }),
  'a strided convolution': (g, x) => g.Conv(x, weight(g, [6, CHANNELS, 3, 3]), null, { pads, strides: [2, 2] }),
  'a dilated convolution': (g, x) => g.Conv(x, weight(g, [6, CHANNELS, 3, 3]), null, { dilations: [2, 2] }),
  'a pointwise convolution': (g, x) => g.Conv(x, weight(g, [6, CHANNELS, 1, 1]), null),
  'a depthwise convolution': (g, x) => g.Conv(x, weight(g, [CHANNELS, 1, 3, 3]), null, { pads, group: CHANNELS }),
  'a grouped convolution': (g, x) => g.Conv(x, weight(g, [CHANNELS, 4, 3, 3]), null, { pads, group: 2 }),
  'a convolution over time': (g, x) =>
    g.Conv(g.Reshape(x, [-1, CHANNELS, 36]), weight(g, [6, CHANNELS, 5]), null, { pads: [2, 2] }),
  'a dense layer': (g, x) => g.Gemm(g.Flatten(x), weight(g, [CHANNELS * 36, 5]), null),
  'a dense layer with its matrix transposed': (g, x) =>
    g.Gemm(g.Flatten(x), weight(g, [5, CHANNELS * 36]), null, { transB: 1 }),
  'a layer whose name is one of ours': (g, x) =>
    g.emit('Conv', [x, weight(g, [6, CHANNELS, 3, 3])], { pads }, { name: 'Add', names: ['Add_1_out'] })[0]!,
  'a product with rows of sequences that begin with time': (g, x) => {
    const rows = g.Transpose(g.Reshape(x, [-1, CHANNELS, 36]), { perm: [1, 0, 2] });
    return g.Transpose(g.MatMul(rows, weight(g, [36, 5])), { perm: [1, 0, 2] });
  },
  'a product with rows of a sequence': (g, x) => g.MatMul(g.Reshape(x, [-1, CHANNELS, 36]), weight(g, [36, 5])),
};

function modelOf(make: Make): Model {
  const { g, finish } = draft();
  const y = make(g, g.input('x', 'float32', [COUNT, CHANNELS, 6, 6]));
  const graph = finish([valueInfo(y.name, 'float32', ['N', ...y.dims.slice(1)])]);
  const inputs = [valueInfo('x', 'float32', ['N', CHANNELS, 6, 6])];
  return modelFrom({ ...graph, inputs, values: new Map() });
}

it.each(Object.entries(KINDS).flatMap(([kind, make]) => [4, 2].map((bits) => [bits, kind, make] as const)))(
  'AdaRound of %s bits lowers the error of %s',
  async (weightBits, _, make) => {
    const options: WriteOptions = { weightBits, biasShifts: new Map() };
    const calibrated = await calibrate(prepare(modelOf(make)), calibratorOf(), data, samples, { engine });
    const [layer, ...more] = layersOf(calibrated, options);
    expect(more).toEqual([]);
    const task = { calibrated, options, data, samples, iterations: 400 };
    const chosen = (await roundings.adaround.run(task, { engine })).get(layer!.weight)!;
    const x = (await valuesOf(calibrated.model, [layer!.input], data, samples, { engine })).get(layer!.input)!;
    using error = await outputError(layer!, x, { engine });
    const lossOf = async ({ codes, scales }: Weights): Promise<number> => {
      const difference = dequantizeWeight(codes, scales, along(layer!.dims, layer!.role.axis));
      return (await error.of(difference.map((v, i) => v - layer!.w[i]!))).reduce((a, b) => a + b, 0);
    };
    expect(await lossOf(chosen)).toBeLessThan(await lossOf(await startingGrid(layer!, options)));
  },
);
