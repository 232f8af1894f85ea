import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { floats } from '../graph/tensor.ts';
import { batchNorm, classifier, dense, relu, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { fit, sgd, swa } from './index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const SIZE = 96;
const source = random(4, 'data');
const x = Float32Array.from({ length: SIZE * 4 }, (_, i) => source.normal() + (i % 4));
const data: Dataset = inMemory({
  name: 'numbers',
  inputs: { x: { dtype: 'float32', dims: [4], data: x } },
  labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: SIZE }, (_, i) => (x[i * 4]! > 0 ? 1 : 0)) },
});

it('gives averaged weights the statistics of the data under them', async () => {
  const net = (): Model => sequential([dense(3), batchNorm(), relu(), classifier(2)], { input: [4] });
  const options = { epochs: 3, batch: 32, validation: data, optimizer: swa(sgd({ lr: 0.5 }), { from: 2 }) };
  const { model } = await fit(net(), data, options, { engine, seed: 1 });
  const { nodes, initializers } = model.graph;
  const norm = nodes.find(({ op }) => op === 'BatchNormalization')!;
  const [mean, variance] = norm.inputs.slice(3).map((name) => floats(initializers.get(name)!));
  const made = nodes.find(({ outputs }) => outputs[0] === norm.inputs[0])!;
  const [W, b] = made.inputs.slice(1).map((name) => initializers.get(name)!) as [never, never];
  const weights = floats(W);
  const [rows] = (W as { dims: number[] }).dims as [number];
  const isTurned = rows === 3; // [units, inputs]
  const unit = (sample: number, k: number): number =>
    [0, 1, 2, 3].reduce(
      (sum, i) => sum + x[sample * 4 + i]! * weights[isTurned ? k * 4 + i : i * 3 + k]!,
      floats(b)[k]!,
    );
  for (let k = 0; k < 3; k++) {
    const values = Array.from({ length: SIZE }, (_, n) => unit(n, k));
    const truth = values.reduce((sum, value) => sum + value, 0) / SIZE;
    expect(mean![k]).toBeCloseTo(truth, 4);
    // The variance is a mean over batches, each around its own mean: within a few per cent of the whole.
    const spread = values.reduce((sum, value) => sum + (value - truth) ** 2, 0) / SIZE;
    expect(Math.abs(variance![k]! / spread - 1)).toBeLessThan(0.1);
  }
});
