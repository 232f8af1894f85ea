import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import { conv2d, globalAveragePool, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { type Calibrator, type CalibratorName, calibrators, percentile } from './calibrate/index.ts';
import { calibrate } from './calibrated.ts';
import { prepare } from './prepare.ts';
import type { Range } from './range.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const COUNT = 64;
const samples = Int32Array.from({ length: COUNT }, (_, i) => i);
const source = random(3, 'scores');
/** One picture in sixteen is ten times as bright. */
const pixels = Float32Array.from(
  { length: COUNT * 3 * 64 },
  (_, i) => source.normal() * (Math.floor(i / 192) % 16 === 5 ? 10 : 1),
);
const data = inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [3, 8, 8], data: pixels } } });
/** Scores are those of a convolution, averaged over the picture. */
const model = prepare(
  sequential([conv2d(16, 3), relu(), conv2d(8, 3), relu(), conv2d(4, 1), globalAveragePool()], { input: [3, 8, 8] }),
);
const convolutions = model.graph.nodes.filter(({ op }) => op === 'Conv').map(({ outputs }) => outputs[0]!);
const scores = convolutions.at(-1)!;

it.each(Object.keys(calibrators) as CalibratorName[])('keeps all of the range of scores by %s', async (name) => {
  const rangesBy = async (chosen: CalibratorName): Promise<ReadonlyMap<string, Range>> =>
    (await calibrate(model, calibrators[chosen](), data, samples, { engine })).ranges;
  const [own, whole] = [await rangesBy(name), await rangesBy('minmax')];
  const [range, ends] = [own.get(scores)!, whole.get(scores)!];
  expect(range.lo).toBeCloseTo(ends.lo, 5);
  expect(range.hi).toBeCloseTo(ends.hi, 5);
});

it('cuts off what layers read', async () => {
  const { ranges } = await calibrate(model, percentile({ keep: 0.99 }) as Calibrator, data, samples, { engine });
  const { ranges: whole } = await calibrate(model, calibrators.minmax(), data, samples, { engine });
  const within = [...ranges].filter(([name, { hi }]) => hi < 0.9 * whole.get(name)!.hi).map(([name]) => name);
  expect(within.length).toBeGreaterThanOrEqual(2);
  expect(within).not.toContain(scores);
});

it('averages batches of as many samples where the model takes one at a time', async () => {
  const { graph } = model;
  const one = { ...model, graph: { ...graph, inputs: [valueInfo(graph.inputs[0]!.name, 'float32', [1, 3, 8, 8])] } };
  const { ranges: whole } = await calibrate(model, calibrators['moving-average'](), data, samples, { engine });
  const { ranges } = await calibrate(one, calibrators['moving-average'](), data, samples, { engine });
  expect(ranges.size).toBeGreaterThanOrEqual(3);
  for (const [name, { hi }] of ranges) expect(hi).toBeCloseTo(whole.get(name)!.hi, 4);
});
