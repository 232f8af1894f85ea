/** Every schedule against PyTorch's schedulers. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  constant,
  cosine,
  cosineRestarts,
  exponential,
  multiStep,
  oneCycle,
  plateau,
  polynomial,
  type Schedule,
  stepDecay,
  warmUp,
} from './index.ts';

const LR = 0.4;
const STEPS = 60;
const oracle = JSON.parse(
  readFileSync(new URL('../../../test/oracle/schedule.json', import.meta.url), 'utf8'),
) as Record<string, number[]>;

const schedules: Record<string, Schedule> = {
  step: stepDecay(LR, { every: 7, factor: 0.5 }),
  'multi-step': multiStep(LR, { milestones: [5, 20, 21], factor: 0.3 }),
  exponential: exponential(LR, { factor: 0.95 }),
  polynomial: polynomial(LR, 50, { power: 2 }),
  cosine: cosine(LR, 60, { floor: 0.01 }),
  'cosine-restarts': cosineRestarts(LR, 6, { growth: 2, floor: 0.01 }),
  'cosine-restarts, equal': cosineRestarts(LR, 7),
  'one-cycle': oneCycle(LR, STEPS + 1),
  'one-cycle, line': oneCycle(LR, STEPS + 1, { rise: 0.4, shape: 'line', startDivisor: 10, endDivisor: 100 }),
  'warm-up': warmUp(cosine(LR, 52), 8, { from: 0.25 }),
};
const close = (got: readonly number[], truth: readonly number[]): void => {
  expect(got.length).toBe(truth.length);
  for (const [i, x] of truth.entries()) expect(Math.abs(got[i]! - x)).toBeLessThanOrEqual(1e-9 * LR + 1e-9 * x);
};

describe('schedules', () => {
  for (const [name, schedule] of Object.entries(schedules)) {
    it(`${name} gives PyTorch's rates`, () => {
      close(
        Array.from({ length: STEPS }, (_, step) => schedule(step)),
        oracle[name]!,
      );
    });
  }

  it('stay at their floor past the end', () => {
    expect(cosine(1, 10, { floor: 0.25 })(25)).toBe(0.25);
    expect(polynomial(1, 10, { floor: 0.25 })(25)).toBe(0.25);
    expect(oneCycle(1, 10, { startDivisor: 4, endDivisor: 8 })(25)).toBe(1 / 32);
    expect(constant(0.5)(25)).toBe(0.5);
  });
});

describe('a plateau', () => {
  const fold = ({ start, see }: ReturnType<typeof plateau>, measures: readonly number[]): number[] => {
    let state = start;
    return measures.map((measure) => {
      state = JSON.parse(JSON.stringify(see(state, measure)));
      return state.lr;
    });
  };

  it("gives PyTorch's rates", () => {
    const measures = oracle['measures']!;
    const less = plateau(LR, { factor: 0.5, patience: 2, cooldown: 3, floor: 0.002 });
    close(fold(less, measures), oracle['plateau']!);
    const more = plateau(LR, { better: 'more', factor: 0.2, patience: 0, threshold: 0.02, thresholdOf: 'change' });
    close(
      fold(
        more,
        measures.map((x) => -x),
      ),
      oracle['plateau, more']!,
    );
  });

  it('does not take a NaN for a gain', () => {
    expect(fold(plateau(1, { patience: 0 }), [Number.NaN, 1, Number.NaN])).toEqual([0.1, 0.1, 0.1 * 0.1]);
  });
});
