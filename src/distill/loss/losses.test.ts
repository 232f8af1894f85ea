/** Each loss and its slope are PyTorch's. Vectors: test/oracle/distill.py. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Model } from '../../graph/model.ts';
import { float32, sizeOf } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { createArena, type Loss } from '../../train/index.ts';
import { bindStep, stepGraph } from '../../train/program.ts';
import { ADAPTED, type Pair } from './feature.ts';
import { type DistillLossName, distillLosses, type FeatureLoss, featureLosses } from './index.ts';
import { softTargets } from './soft-targets.ts';

interface Oracle {
  shape: number[];
  scale: number;
  loss: number;
  slope: number[];
}
const oracle = JSON.parse(
  readFileSync(new URL('../../../test/oracle/distill.json', import.meta.url), 'utf8'),
) as Record<string, Oracle>;

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** The numbers that the script draws too. */
const numbers = (count: number, salt: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => {
    let bits = Math.imul(i + salt, 2654435761) >>> 0;
    bits = Math.imul(bits ^ (bits >>> 15), 2246822519) >>> 0;
    return (bits / 2 ** 31 - 1) * scale;
  });

/** A model whose output is its only weight, so that the weight's slope is the loss's. */
function weightOnly(shape: readonly number[], values: Float32Array): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', shape);
  const y = g.emit('Add', [x, g.constant(float32(shape, values), 's')], {}, { names: ['y'] })[0]!;
  g.emit('Identity', [y], {}, { names: [`${ADAPTED}y`] });
  const graph = finish([{ name: 'y', type: { kind: 'tensor', dtype: 'float32', dims: shape } }]);
  return modelFrom(graph);
}

/** The loss and its slope with respect to the student's values. */
async function slopeOf(loss: Loss, shape: readonly number[], student: Float32Array, teacher: Float32Array) {
  const step = stepGraph(weightOnly(shape, student), { loss, batch: shape[0]! }, engine);
  const arena = createArena(step.parameters, { slots: [] });
  arena.view('w', 's').set(student);
  using program = await bindStep(step, arena, { engine, threads: 1 });
  for (const name of step.columns.keys()) {
    if (name === 'labels') (program.feeds[0][name] as BigInt64Array).set([3n, 0n, 6n, 2n, 3n]);
    else if (name !== 'x') (program.feeds[0][name] as Float32Array).set(teacher);
  }
  await program.runs[0].run();
  return { loss: program.loss(), slope: arena.view('g', 's').slice() };
}

it.each(Object.keys(oracle))('%s', async (name) => {
  const { shape, scale, loss, slope } = oracle[name]!;
  const pair: Pair = { student: 'y', teacher: 'f', dims: shape.slice(1) };
  const made = Object.hasOwn(distillLosses, name)
    ? distillLosses[name as DistillLossName]()
    : (featureLosses as Record<string, FeatureLoss>)[name]!.loss([pair]);
  const count = sizeOf(shape);
  const got = await slopeOf(made, shape, numbers(count, 11, scale), numbers(count, 7777, scale));
  expect(Math.abs(got.loss / loss - 1)).toBeLessThan(2e-5);
  const largest = Math.max(...slope.map(Math.abs));
  for (const [i, value] of slope.entries()) expect(Math.abs(got.slope[i]! - value) / largest).toBeLessThan(1e-4);
});

it.each([1, 4, 20])('soft targets: the slope is T (q − p) / N at T = %i', async (T) => {
  const [N, K] = [3, 6];
  const [s, t] = [numbers(N * K, 5, 3), numbers(N * K, 50, 3)];
  const { slope } = await slopeOf(softTargets({ T }), [N, K], s, t);
  const softmax = (x: Float32Array, row: number): number[] => {
    const e = Array.from(x.subarray(row * K, row * K + K), (value) => Math.exp(value / T));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((value) => value / sum);
  };
  for (let row = 0; row < N; row++) {
    const [p, q] = [softmax(t, row), softmax(s, row)];
    for (let k = 0; k < K; k++) expect(slope[row * K + k]).toBeCloseTo((T * (q[k]! - p[k]!)) / N, 5);
  }
});
