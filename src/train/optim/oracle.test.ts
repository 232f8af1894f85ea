/** Twenty steps of every optimiser, against the numbers of PyTorch, Keras and the schedule-free authors. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createArena } from './arena.ts';
import { clipByNorm, clipByValue } from './clip.ts';
import { chain, type Optimizer, optimizers } from './index.ts';

type Weights = Record<string, number[]>;
interface Case {
  title: string;
  optimizer: keyof typeof optimizers;
  options: Record<string, never>;
  after: Weights;
  clipByNorm?: number;
  clipByValue?: number;
  evaluate?: boolean;
}
const oracle = JSON.parse(readFileSync(new URL('../../../test/oracle/optim.json', import.meta.url), 'utf8')) as {
  weights: Weights;
  gradients: Weights[];
  cases: Case[];
};

/**
 * The largest difference, relative to the larger of the weight's first and last true value.
 *
 * A weight that starts at 1 and ends near 0 carries float32's rounding of numbers near 1; PyTorch's own float32 run does too.
 */
const furthest = (got: Float32Array, truth: readonly number[], first: readonly number[]): number =>
  Math.max(...truth.map((x, i) => Math.abs(got[i]! - x) / Math.max(Math.abs(x), Math.abs(first[i]!))));

const optimizerOf = (each: Case): Optimizer => {
  const inner = optimizers[each.optimizer](each.options);
  if (each.clipByNorm !== undefined) return chain(clipByNorm(each.clipByNorm), inner);
  return each.clipByValue !== undefined ? chain(clipByValue(each.clipByValue), inner) : inner;
};

describe('optimisers, after twenty steps', () => {
  for (const each of oracle.cases) {
    it(`agree with ${each.title} to 1e-6`, () => {
      const optimizer = optimizerOf(each);
      const names = Object.keys(oracle.weights);
      const specs = names.map((name) => ({ name, length: oracle.weights[name]!.length }));
      const arena = createArena(specs, { slots: optimizer.slots });
      for (const name of names) arena.view('w', name).set(oracle.weights[name]!);
      const running = optimizer.start(arena);
      for (const gradient of oracle.gradients) {
        for (const name of names) arena.view('g', name).set(gradient[name]!);
        running.step();
      }
      if (each.evaluate) running.evaluation();
      const worst = Math.max(
        ...names.map((name) => furthest(arena.view('w', name), each.after[name]!, oracle.weights[name]!)),
      );
      if (process.env['PARE_SHOW']) console.log(`${each.title}: ${worst.toExponential(1)}`);
      expect(worst).toBeLessThan(1e-6);
    });
  }
});
