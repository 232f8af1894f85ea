import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import type { LayerHessian } from '../hessian.ts';
import type { Slice } from './criterion.ts';
import { obs } from './obs.ts';

/** A reader of `units` channels with two outputs; `gram` is what the channels' products are on average. */
function reader(gram: readonly number[], weight: readonly number[], curvature = [1, 1]): Slice {
  const units = Math.sqrt(gram.length);
  const hessian: LayerHessian = {
    groups: 1,
    width: units,
    height: 2,
    at: (_, o, i) => o * units + i,
    gram: Float64Array.from(gram),
    isDiagonal: false,
    curvature: Float64Array.from(curvature),
    power: Float64Array.of(1, 1),
    mean: new Float64Array(units),
    constant: undefined,
  };
  const one = Array.from({ length: units }, (_, unit) => Int32Array.of(unit));
  return {
    name: 'W',
    axis: 1,
    dims: [2, units],
    role: 'in',
    slot: 'W',
    units,
    weight,
    gradient: [],
    square: [],
    change: [],
    activation: { mean: [], rms: [] },
    hessian,
    columns: one,
    places: (unit) => one[unit]!,
    elements: (unit) => Int32Array.of(unit, units + unit),
    sum: (f) => Float64Array.from({ length: units }, (_, unit) => f(unit) + f(units + unit)),
    random: random(1, 'obs'),
  };
}

describe('obs', () => {
  it('is w² times the power of what is read, where channels have nothing in common', () => {
    const scores = obs.score(reader([4, 0, 0, 0, 1, 0, 0, 0, 9], [1, 2, 1, 1, 1, 0], [1, 3]));
    // 4·(1 + 3), 1·(4 + 3), 9·1, and the damping: 1 % of the mean power.
    const damping = 0.01 * (14 / 3);
    for (const [unit, cost] of [(4 + damping) * 4, (1 + damping) * 7, 9 + damping].entries())
      expect(scores[unit]).toBeCloseTo(cost, 6);
  });

  it('lets one of two channels that tell the same go for little, and holds the other dear', () => {
    const scores = obs.score(reader([1, 1, 0, 1, 1, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]));
    const [first, second] = [scores[0]!, scores[1]!].sort((a, b) => a - b);
    expect(first).toBeLessThan(0.05);
    // With the other gone it stands for both: (1 + 1)² for each of two outputs.
    expect(second).toBeGreaterThan(7.5);
    expect(scores[2]).toBeCloseTo(2, 1);
  });

  it('adds up over readers before it decides who goes', () => {
    const [a, b] = [reader([1, 0, 0, 1], [3, 1, 0, 0]), reader([1, 0, 0, 1], [0, 1, 0, 1])];
    const together = obs.scoreTogether!([a, b])!;
    expect(together[0]).toBeCloseTo(9, 0);
    expect(together[1]).toBeCloseTo(3, 0);
  });
});
