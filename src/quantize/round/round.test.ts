import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { inMemory } from '../../data/index.ts';
import { valueInfo } from '../../graph/edit.ts';
import { float32, numbers } from '../../graph/tensor.ts';
import { chainLayers, conv2d, dense, flatten, relu, residual, sequential } from '../../nn/index.ts';
import { draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { calibrate, calibratorOf, type WriteOptions, write } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';
import { labelOf, planOf } from '../plan.ts';
import { prepare } from '../prepare.ts';
import { along, dequantizeWeight, packInt4 } from '../weight.ts';
import { type RoundingName, roundings } from './index.ts';
import { layersOf } from './layer.ts';
import { outputError } from './seq-mse.ts';
import { startingGrid } from './start.ts';
import { blockUnits, layerUnits } from './unit.ts';
import { valuesOf } from './values.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const COUNT = 64;
const samples = Int32Array.from({ length: COUNT }, (_, i) => i);
/** Smooth images: neighbouring inputs of a layer hang together, as in life, so that rounding errors can cancel. */
const data = (() => {
  const source = random(2, 'images');
  const images = Float32Array.from({ length: COUNT * 3 * 64 }, () => 0);
  for (let i = 0; i < COUNT * 3; i++) {
    const [a, b, c] = [source.normal(), source.normal(), source.normal()];
    for (let p = 0; p < 64; p++) images[i * 64 + p] = a + (b * (p % 8)) / 8 + (c * Math.floor(p / 8)) / 8;
  }
  return inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [3, 8, 8], data: images } } });
})();
const net = sequential(
  [
    conv2d(8, 3),
    relu(),
    residual(chainLayers(conv2d(8, 3, { pad: 'same' }), relu(), conv2d(8, 3, { pad: 'same' }))),
    relu(),
    flatten(),
    dense(6),
  ],
  { input: [3, 8, 8] },
);
const options: WriteOptions = { weightBits: 4, biasShifts: new Map() };
const ready = () => calibrate(prepare(net), calibratorOf(), data, samples, { engine });

/** What each layer's output loses on the float network's inputs, against rounding to nearest on the same scales. */
async function losses(chosen: ReadonlyMap<string, Weights>): Promise<{ nearest: number; chosen: number }[]> {
  const calibrated = await ready();
  const result = [];
  for (const layer of layersOf(calibrated, options)) {
    const x = (await valuesOf(calibrated.model, [layer.input], data, samples, { engine })).get(layer.input)!;
    using error = await outputError(layer, x, { engine });
    const of = async ({ codes, scales }: Weights): Promise<number> => {
      const difference = dequantizeWeight(codes, scales, along(layer.dims, layer.role.axis));
      return (await error.of(difference.map((v, i) => v - layer.w[i]!))).reduce((a, b) => a + b, 0);
    };
    result.push({ nearest: await of(await startingGrid(layer, options)), chosen: await of(chosen.get(layer.weight)!) });
  }
  return result;
}

it('AdaRound lowers the error of every layer against rounding to nearest', async () => {
  const calibrated = await ready();
  const task = { calibrated, options, data, samples };
  const all = await losses(await roundings.adaround.run(task, { engine }));
  expect(all).toHaveLength(4);
  for (const { nearest, chosen } of all) expect(chosen).toBeLessThan(nearest);
});

it('SeqMSE loses no more than nearest in any layer, and less in some', async () => {
  const all = await losses(
    await roundings['seq-mse'].run({ calibrated: await ready(), options, data, samples }, { engine }),
  );
  for (const { nearest, chosen } of all) expect(chosen).toBeLessThan(1.02 * nearest);
  expect(all.some(({ nearest, chosen }) => chosen < 0.99 * nearest)).toBe(true);
});

it('AdaRound moves no weight by more than one step', async () => {
  const calibrated = await ready();
  const chosen = await roundings.adaround.run({ calibrated, options, data, samples, iterations: 20 }, { engine });
  for (const layer of layersOf(calibrated, options)) {
    const { scales, codes } = chosen.get(layer.weight)!;
    const { inner, channels } = along(layer.dims, layer.role.axis);
    layer.w.forEach((w, i) => {
      const steps = Math.max(-7, Math.min(7, w / scales[Math.floor(i / inner) % channels]!));
      expect(Math.abs(codes[i]! - steps)).toBeLessThanOrEqual(1);
    });
  }
});

describe('layers named as wide', () => {
  it.each(Object.keys(roundings) as RoundingName[])(
    'have 8 bits under %s, in the codes and in the file',
    async (name) => {
      const calibrated = await ready();
      const named = layersOf(calibrated, options)[1]!;
      const mixed: WriteOptions = { ...options, weightBits: 3, wide: [labelOf(named.node)] };
      const chosen = await roundings[name].run(
        { calibrated, options: mixed, data, samples, iterations: 20 },
        { engine },
      );
      for (const { weight, limit, bits } of layersOf(calibrated, mixed)) {
        expect(bits).toBe(weight === named.weight ? 8 : 3);
        const most = chosen.get(weight)?.codes.reduce((m, q) => Math.max(m, Math.abs(q)), 0);
        if (most !== undefined) expect(most, weight).toBe(limit);
      }
      const { graph } = write(calibrated, { ...mixed, weights: chosen }).written;
      const wide = [...graph.initializers.values()].filter(({ dtype, dims }) => dtype === 'int8' && dims.length > 1);
      expect(wide).toHaveLength(1);
      const codes = chosen.get(named.weight)?.codes;
      // Channels of zeros may follow.
      if (codes) expect(numbers(wide[0]!).slice(0, codes.length)).toEqual([...codes]);
    },
  );

  it('forget what was chosen for fewer bits', async () => {
    const calibrated = await ready();
    const [named] = layersOf(calibrated, options);
    const weights = await roundings.nearest.run({ calibrated, options, data, samples }, { engine });
    const wide = { ...options, wide: [labelOf(named!.node)] };
    expect(write(calibrated, { ...wide, weights }).written).toEqual(
      write(calibrated, { ...wide, weights: new Map([...weights].slice(1)) }).written,
    );
  });

  it('keep pairs within 16 bits where that is asked for, and narrow ones need no care', async () => {
    const calibrated = await ready();
    const [named] = layersOf(calibrated, options);
    const mixed: WriteOptions = { ...options, pairSafe: true, wide: [labelOf(named!.node)] };
    const chosen = await roundings.adaround.run(
      { calibrated, options: mixed, data, samples, iterations: 5 },
      { engine },
    );
    for (const { weight } of layersOf(calibrated, mixed)) {
      const most = chosen.get(weight)!.codes.reduce((m, q) => Math.max(m, Math.abs(q)), 0);
      expect(most).toBe(weight === named!.weight ? 64 : 7);
    }
    expect(write(calibrated, { weightBits: 4, pairSafe: true }).written).toEqual(
      write(calibrated, { weightBits: 4 }).written,
    );
  });
});

describe('units', () => {
  it('are layers with their activations, or blocks that one value enters and leaves', async () => {
    const calibrated = await ready();
    const { graph } = calibrated.model;
    const plan = planOf(graph, calibrated.facts, options);
    const layers = layersOf(calibrated, options);
    expect(layerUnits(graph, plan, layers).map(({ nodes }) => nodes.map(({ op }) => op))).toEqual([
      ['Conv', 'Relu'],
      ['Conv', 'Relu'],
      ['Conv'],
      ['Gemm'],
    ]);
    const blocks = blockUnits(graph, calibrated.facts, plan, layers);
    expect(blocks.map(({ layers: own }) => own.length)).toEqual([1, 2, 1]);
    for (const { inputs } of blocks) expect(inputs).toHaveLength(1);
  });

  it('are single layers where a block reads words', async () => {
    const { g, finish } = draft();
    const matrix = (rows: number, columns: number) =>
      g.constant(
        float32(
          [rows, columns],
          Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i)),
        ),
      );
    const h = g.Tanh(g.MatMul(g.Gather(matrix(20, 16), g.input('ids', 'int64', [COUNT, 4])), matrix(16, 16)));
    const y = g.MatMul(h, matrix(16, 8));
    const graph = finish([valueInfo(y.name, 'float32', ['N', 4, 8])]);
    const inputs = [valueInfo('ids', 'int64', ['N', 4])];
    const ids = BigInt64Array.from({ length: COUNT * 4 }, (_, i) => BigInt((i * 7) % 20));
    const words = inMemory({ name: 'words', inputs: { ids: { dtype: 'int64', dims: [4], data: ids } } });
    const model = prepare(modelFrom({ ...graph, inputs, values: new Map() }));
    const calibrated = await calibrate(model, calibratorOf(), words, samples, { engine });
    const task = { calibrated, options, data: words, samples, iterations: 10 };
    expect((await roundings.brecq.run(task, { engine })).size).toBe(2);
  });

  it('as blocks give codes for every layer', async () => {
    const calibrated = await ready();
    const chosen = await roundings.brecq.run({ calibrated, options, data, samples, iterations: 20 }, { engine });
    expect([...chosen.keys()]).toEqual(layersOf(calibrated, options).map(({ weight }) => weight));
  });
});

it('packs codes two to a byte as int4 tensors hold them', () => {
  const codes = Int8Array.of(-7, 7, 0, -1, 3);
  expect(numbers(packInt4([5], codes))).toEqual([...codes]);
});
