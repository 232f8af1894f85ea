/** Self-distillation: exits teach the stages before them, the last layer is not moved by what it teaches, exits vanish. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import { floats, sizeOf } from '../graph/tensor.ts';
import { classifier, conv2d, flatten, maxPool2d, relu, sequential } from '../nn/index.ts';
import { type Engine, type Lab, openEngine } from '../runtime/index.ts';
import { sgd } from '../train/index.ts';
import { selfDistill } from './self-distill.ts';

let engine: Engine;
let lab: Lab;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  lab = { engine, threads: 1, seed: 3 };
});
afterAll(() => engine[Symbol.dispose]());

const INPUT = [2, 8, 8];
const source = random(5, 'self');
const images = Float32Array.from({ length: 40 * sizeOf(INPUT) }, () => source.normal());
const data: Dataset = inMemory({
  name: 'drawn',
  inputs: { x: { dtype: 'float32', dims: INPUT, data: images } },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i % 3)) },
});
const net = () =>
  sequential([conv2d(6, 3, { pad: 1 }), relu(), maxPool2d(2), conv2d(8, 3), relu(), flatten(), classifier(3)], {
    input: INPUT,
    seed: 1,
  });
const run = (options: Parameters<typeof selfDistill>[2]) =>
  selfDistill(net(), data, { epochs: 1, batch: 40, optimizer: sgd({ lr: 0.1 }), ...options }, lab);
const weight = (model: ReturnType<typeof net>, i: number) => [
  ...floats([...model.graph.initializers.values()].filter(({ dims }) => dims.length > 1)[i]!),
];

it('moves the stages that exits leave from, and not the layers behind them', async () => {
  const [plain, taught] = [await run({ weight: 0 }), await run({ weight: 1, alpha: 1 })];
  expect(weight(taught.model, 0)).not.toEqual(weight(plain.model, 0));
  // What the last layer teaches leaves the layers behind the exit as its own loss alone moves them.
  for (const layer of [1, 2]) expect(weight(taught.model, layer)).toEqual(weight(plain.model, layer));
  expect([...taught.model.graph.initializers.keys()]).toEqual([...net().graph.initializers.keys()]);
  expect(taught.model.graph.nodes.map(({ op }) => op)).toEqual(net().graph.nodes.map(({ op }) => op));
});

it('lowers its loss, and wants labels and stages', async () => {
  const { report } = await run({ epochs: 8 });
  expect(report.epochs[7]!.loss).toBeLessThan(report.epochs[0]!.loss);
  const { labels: _, ...rest } = data;
  const unlabelled = { ...rest, task: 'unlabelled' as const };
  await expect(selfDistill(net(), unlabelled, {}, lab)).rejects.toThrow(/needs labels/);
  await expect(run({ at: [] })).rejects.toThrow(/single stage/);
});
