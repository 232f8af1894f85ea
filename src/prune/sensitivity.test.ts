import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { criteria } from './criterion/index.ts';
import { solve } from './group.ts';
import { latencyTable } from './latency-table.ts';
import { compared, type SensitivityPoint, sensitivity } from './sensitivity.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(2, 'sensitivity');
const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());
const data = inMemory({ name: 'points', inputs: { x: { dtype: 'float32', dims: [6], data: drawn(6 * 48) } } });

/** Two hidden layers beside each other; the second is not heard. */
function network(): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const x = g.input('x', 'float32', ['N', 6]);
  const branch = (name: string, scale: number): StaticValue => {
    const hidden = g.Relu(g.MatMul(x, g.constant(float32([6, 8], drawn(48)), `${name}0`)));
    const out = Float32Array.from(drawn(24), (w) => scale * w);
    return g.MatMul(hidden, g.constant(float32([8, 3], out), `${name}1`));
  };
  const y = g.Softmax(g.Add(branch('loud', 1), branch('mute', 0)), { axis: 1 });
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 3])]);
  return modelFrom(graph);
}

describe('sensitivity', () => {
  it('compares distributions by their divergence and their tops', () => {
    const [a, b] = [[Math.log(0.5), Math.log(0.5)], [Math.log(0.25), Math.log(0.75)]];
    const { kl, agreement, accuracy } = compared([a, b], [b, b], [1, 0]);
    expect(kl).toBeCloseTo((0.5 * Math.log(2) + 0.5 * Math.log(2 / 3)) / 2, 12);
    expect(agreement).toBe(0.5);
    expect(accuracy).toBe(0.5);
  }); // biome-ignore format: short

  it('ranks groups by what cutting them does, and goes on where it was interrupted', async () => {
    const lab = { engine, seed: 1 };
    const seen: number[] = [];
    const options = {
      data,
      by: criteria.l2,
      onPoint: (points: readonly SensitivityPoint[]) => void seen.push(points.length),
    };
    const points = await sensitivity(network(), options, lab);
    expect(points).toHaveLength(6);
    expect(points[0]!.group).toMatch(/^loud/);
    for (const { group, kl, agreement } of points) {
      if (group.startsWith('mute')) expect([kl, agreement]).toEqual([0, 1]);
      else expect(kl).toBeGreaterThan(0);
    }
    seen.length = 0;
    const again = await sensitivity(network(), { ...options, known: points.slice(0, 4) }, lab);
    expect(seen).toEqual([5, 6]);
    expect(again).toEqual(points);
  });
});

describe('the latency table', () => {
  it('times every layer, and adds up to the network at full width', async () => {
    const model = network();
    const solved = solve(model.graph);
    const { estimate, layers, wholeMs } = await latencyTable(model, solved, { engine });
    expect(layers).toHaveLength(4);
    const sum = layers.reduce((total, { ms }) => total + ms, 0);
    expect(estimate(solved.groups.map(({ size }) => size))).toBeCloseTo(Math.max(sum, wholeMs), 9);
    expect(estimate(solved.groups.map(({ size }) => size / 2))).toBeGreaterThan(0);
  });
});
