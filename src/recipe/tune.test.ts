/** Pruned models that learn: the budget holds, the zeros stay, and the answers come back. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { bind, type Dataset, inMemory, portsOf } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { numbers } from '../graph/tensor.ts';
import { mlp } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { sparsify } from '../prune/index.ts';
import { type Engine, type Lab, openEngine } from '../runtime/index.ts';
import { adam, fit, scoreModel } from '../train/index.ts';
import { pruneAndTune } from './prune-and-tune.ts';
import { tuneMasked } from './tune-masked.ts';

const [INPUTS, CLASSES, COUNT] = [8, 3, 600];

/** Three noisy clouds around points that no line through the origin parts. */
function clouds(): Dataset {
  const source = random(5, 'clouds');
  const centres = Array.from({ length: 2 * CLASSES }, () =>
    Array.from({ length: INPUTS }, () => 1.5 * source.normal()),
  );
  const [x, y] = [new Float32Array(COUNT * INPUTS), new BigInt64Array(COUNT)];
  for (let i = 0; i < COUNT; i++) {
    y[i] = BigInt(i % CLASSES);
    for (let k = 0; k < INPUTS; k++) x[i * INPUTS + k] = centres[i % (2 * CLASSES)]![k]! + source.normal();
  }
  return inMemory({
    name: 'clouds',
    inputs: { x: { dtype: 'float32', dims: [INPUTS], data: x } },
    labels: { dtype: 'int64', dims: [], data: y },
  });
}

let engine: Engine;
let lab: Lab;
let dense: Model;
let data: Dataset;
const learning = { batch: 50, optimizer: () => adam({ lr: 5e-3 }) };

beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  lab = { engine, seed: 3 };
  const start = mlp({ input: [INPUTS], units: [48, 32], classes: CLASSES, seed: 3 });
  data = bind(clouds(), portsOf(start.graph));
  dense = (await fit(start, data, { ...learning, epochs: 10 }, lab)).model;
});
afterAll(() => engine[Symbol.dispose]());

describe('pruneAndTune', () => {
  const how = {
    keep: { macs: 0.3 },
    by: 'taylor',
    roundTo: 1,
    steps: 2,
    epochs: 4,
    epochsBetween: 2,
    fit: learning,
  } as const;

  it('meets the budget, learns after each cut, and answers nearly as well as the dense model', async () => {
    const { model, report, epochs, steps } = await pruneAndTune(dense, { ...how, data }, lab);
    expect(report.isMet).toBe(true);
    expect(report.share).toBeLessThanOrEqual(0.3);
    expect([steps.length, epochs.length]).toEqual([2, 6]);
    const cutOnly = await pruneAndTune(dense, { ...how, data, epochs: 0, epochsBetween: 0 }, lab);
    const [was, is, plain] = await Promise.all([dense, model, cutOnly.model].map((m) => scoreModel(m, data, lab)));
    expect(is).toBeGreaterThan(plain!);
    expect(is).toBeGreaterThan(was! - 0.03);
  });

  it('learns from the dense model where there are no labels, and gives the same bytes again', async () => {
    const { labels: _, ...inputs } = data;
    const blind: Dataset = { ...inputs, task: 'unlabelled' };
    const once = async () => (await pruneAndTune(dense, { ...how, by: 'wanda', steps: 1, data: blind }, lab)).model;
    const [first, second] = [await once(), await once()];
    expect(writeModel(first)).toEqual(writeModel(second));
    expect(await scoreModel(first, data, lab)).toBeGreaterThan((await scoreModel(dense, data, lab)) - 0.05);
  });

  it('pulls weak channels to zero before the first cut', async () => {
    const { epochs, report } = await pruneAndTune(dense, { ...how, data, steps: 1, epochs: 1, sparseEpochs: 2 }, lab);
    expect(epochs).toHaveLength(3);
    expect(report.isMet).toBe(true);
  });
});

describe('tuneMasked', () => {
  it('moves the weights that stayed and none that went', async () => {
    const sparse = await sparsify(dense, { by: 'magnitude', pattern: { zeros: 0.8 }, data }, lab);
    const tuned = await tuneMasked(sparse, dense, data, { epochs: 4, fit: learning }, lab);
    let moved = 0;
    for (const [name, { dims }] of sparse.model.graph.initializers) {
      if (dims.length !== 2) continue;
      const [before, after] = [sparse.model, tuned].map(({ graph }) => numbers(graph.initializers.get(name)!));
      for (let i = 0; i < before!.length; i++) {
        if (sparse.masks.has(name) && before![i] === 0) expect(after![i]).toBe(0);
        else if (before![i] !== after![i]) moved++;
      }
    }
    expect(moved).toBeGreaterThan(100);
    expect(await scoreModel(tuned, data, lab)).toBeGreaterThan(await scoreModel(sparse.model, data, lab));
  });
});
