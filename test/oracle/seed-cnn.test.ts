/** The gradient of the reference network is PyTorch's, on the same weights and batch. Vectors: test/oracle/seed_cnn.py. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { sizeOf } from '../../src/graph/tensor.ts';
import { seedCnn } from '../../src/nn/index.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { createArena, crossEntropy } from '../../src/train/index.ts';
import { bindStep, stepGraph } from '../../src/train/program.ts';

interface Oracle {
  loss: number;
  gradients: Record<string, { norm: number; places: number[]; values: number[] }>;
}
const oracle = JSON.parse(readFileSync(new URL('./seed-cnn.json', import.meta.url), 'utf8')) as Oracle;

/** The numbers that the script draws too. */
const numbers = (count: number, salt: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => {
    let bits = Math.imul(i + salt, 2654435761) >>> 0;
    bits = Math.imul(bits ^ (bits >>> 15), 2246822519) >>> 0;
    return (bits / 2 ** 31 - 1) * scale;
  });

it.each(['native', 'wasm'] as const)('has the gradient that PyTorch finds (%s)', async (name) => {
  const batch = 4;
  const model = seedCnn({ input: [3, 32, 32], classes: 1000 });
  using engine = await openEngine({ engine: name, threads: 2 });
  const step = stepGraph(model, { loss: crossEntropy(), batch }, engine);
  expect(step.parameters.map((parameter) => parameter.name)).toEqual(Object.keys(oracle.gradients));
  const arena = createArena(step.parameters, { slots: [] });
  step.parameters.forEach((parameter, i) => {
    const { dims } = step.form.weights.get(parameter.name)!;
    const fanIn = dims.length > 1 ? sizeOf(dims.slice(1)) : 100;
    arena.view('w', parameter.name).set(numbers(parameter.length, 1000 * (i + 1), Math.sqrt(6 / fanIn)));
  });
  using program = await bindStep(step, arena, { engine });
  (program.feeds[0]['x'] as Float32Array).set(numbers(batch * 3 * 32 * 32, 7, 1));
  (program.feeds[0]['labels'] as BigInt64Array).set([1n, 998n, 37n, 512n]);
  await program.runs[0].run();
  expect(Math.abs(program.loss() / oracle.loss - 1)).toBeLessThan(1e-5);
  for (const [parameter, { norm, places, values }] of Object.entries(oracle.gradients)) {
    const slope = arena.view('g', parameter);
    const length = Math.sqrt(slope.reduce((sum, x) => sum + x * x, 0));
    expect(Math.abs(length / norm - 1), parameter).toBeLessThan(1e-4);
    const largest = Math.max(...values.map(Math.abs));
    for (const [k, place] of places.entries()) {
      expect(Math.abs(slope[place]! - values[k]!) / largest, `${parameter}[${place}]`).toBeLessThan(1e-4);
    }
  }
});
