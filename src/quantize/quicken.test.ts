import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { conv2d, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { calibrate, calibratorOf } from './calibrated.ts';
import { fewest } from './fewest.ts';
import { prepare } from './prepare.ts';
import { quicken } from './quicken.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const layers = [conv2d(16, 3), relu(), conv2d(16, 3), relu(), conv2d(16, 3), relu(), conv2d(4, 1)];
const original = sequential(layers, { input: [4, 10, 10] });
const source = random(2, 'images');
const images = Float32Array.from({ length: 16 * 400 }, () => source.normal());
const data = inMemory({ name: 'noise', inputs: { x: { dtype: 'float32', dims: [4, 10, 10], data: images } } });

/** A clock on which every layer in floats takes 1, on integers a half, and the one named a tenth. */
const integersIn = ({ graph }: Model): string[] => {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  return graph.nodes.flatMap(({ op, name, outputs, inputs }) =>
    op === 'Conv' && makers.get(inputs[1]!)?.op === 'DequantizeLinear' ? [name || outputs[0]!] : [],
  );
};
const clock = (quick: number) => async (models: readonly Model[]) =>
  models.map((model) => {
    const fast = integersIn(model);
    const names = original.graph.nodes
      .filter(({ op }) => op === 'Conv')
      .map(({ name, outputs }) => name || outputs[0]!);
    return names.reduce((ms, name, i) => ms + (fast.includes(name) ? (i === quick ? 0.1 : 0.5) : 1), 0);
  });
const find = async (maxMs: number, quick = 2) => {
  const model = prepare(original);
  const samples = Int32Array.from({ length: 16 }, (_, i) => i);
  const calibrated = await calibrate(model, calibratorOf(), data, samples, { engine }, { everywhere: true });
  return quicken({ original, calibrated, write: {}, data, maxMs, time: clock(quick) }, { engine });
};

it('leaves all layers in floats where those are fast enough', async () => {
  const found = await find(4);
  expect(found).toMatchObject({ layers: [], ms: 4, originalMs: 4, held: true });
  expect(found.slow).toHaveLength(4);
});

it('takes the layer that wins most, and no more than it needs', async () => {
  const found = await find(3.2);
  expect(found.layers).toHaveLength(1);
  expect(found.ms).toBeCloseTo(3.1);
  expect(found.held).toBe(true);
  const two = await find(2.7);
  expect(two.layers).toHaveLength(2);
  expect(two.layers).toContain(found.layers[0]);
});

it('tells the nearest where no layers are enough', async () => {
  const found = await find(1);
  expect(found).toMatchObject({ slow: [], held: false });
  expect(found.ms).toBeCloseTo(1.6);
});

it('finds the least count within a bound by few questions', async () => {
  const asked: number[] = [];
  const at = async (count: number) => {
    asked.push(count);
    return 100 - count;
  };
  expect(await fewest(64, 83, at)).toEqual({ count: 17, value: 83 });
  expect(asked.length).toBeLessThan(12);
  expect(await fewest(5, 0, at)).toEqual({ count: 5, value: 95 });
});
