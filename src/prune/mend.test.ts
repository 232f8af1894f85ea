/** What is fitted without labels: least squares find weights that explain the dense answers, statistics are those of the data. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, numbers } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { predictAll } from '../train/index.ts';
import { cut } from './cut.ts';
import { solve } from './group.ts';
import { reconstruct } from './reconstruct.ts';
import { reestimate } from './reestimate.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(3, 'mend');
const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());
const images = inMemory({
  name: 'noise',
  inputs: { x: { dtype: 'float32', dims: [3, 6, 6], data: drawn(96 * 108) } },
});
const model = (graph: Model['graph']): Model => ({
  ir: 10,
  opsets: { '': 21 },
  graph,
  producer: { name: 'test', version: '' },
  metadata: {},
});

describe('reconstruct', () => {
  for (const [about, second] of [
    [
      'a convolution',
      (g, h) =>
        g.Conv(h, g.constant(float32([5, 6, 3, 3], drawn(270)), 'V'), g.constant(float32([5], drawn(5)), 'c'), {
          pads: [1, 1, 1, 1],
          strides: [2, 2],
          kernel_shape: [3, 3],
        }),
    ],
    [
      'a convolution by groups',
      (g, h) => g.Conv(h, g.constant(float32([6, 3, 3, 3], drawn(162)), 'V'), { group: 2, kernel_shape: [3, 3] }),
    ],
    [
      'a product',
      (g, h) =>
        g.Gemm(
          g.ReduceMean(h, [2, 3], { keepdims: 0 }),
          g.constant(float32([5, 6], drawn(30)), 'V'),
          g.constant(float32([5], drawn(5)), 'c'),
          { transB: 1 },
        ),
    ],
  ] as readonly [string, (g: ReturnType<typeof draft<StaticValue>>['g'], h: StaticValue) => StaticValue][]) {
    // biome-ignore format: a table
    it(`lets ${about} answer as before where the channels that stay tell what is gone`, async () => {
      // Channels 3 to 5 are sums of the others: nothing is lost without them, if the reader is fitted.
      const own = drawn(3 * 27);
      const W = float32([6, 3, 3, 3], [...own, ...own.map((w, i) => w + own[(i + 27) % 81]!)]);
      const building = draft<StaticValue>();
      const { g } = building;
      const hidden = g.Conv(g.input('x', 'float32', ['N', 3, 6, 6]), g.constant(W, 'W'), { kernel_shape: [3, 3] });
      const y = second(g, hidden);
      const dense = model(building.finish([valueInfo(y.name, 'float32', ['N', ...y.dims.slice(1)])]));
      const solved = solve(dense.graph);
      const group = solved.groups.find(({ places }) => places.some(({ value }) => value === 'W'))!;
      const gone = group.size === 6 ? [3, 4, 5] : [1];
      const cuts = [{ group, units: gone }];
      const small = cut(dense, solved, cuts);
      const lab = { engine, seed: 1 };
      const fitted = await reconstruct(dense, small, cuts, images, { lambda: 1e-9 }, lab);
      expect(fitted.left).toEqual([]);
      expect(fitted.layers).toHaveLength(1);
      const answers = async (m: Model) => (await predictAll(m, images, y.name, {}, lab)).values;
      const [whole, plain, mended] = [await answers(dense), await answers(small), await answers(fitted.model)];
      const error = (a: Float32Array) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - whole[i]!) ** 2, 0) / whole.reduce((sum, v) => sum + v * v, 0)); // biome-ignore format: one line
      expect(error(plain)).toBeGreaterThan(0.1);
      if (group.size === 6) expect(error(mended)).toBeLessThan(1e-3);
      else expect(error(mended)).toBeLessThan(error(plain));
    });
  }
});

describe('reestimate', () => {
  it('takes mean and variance of what a layer reads, and shares nothing between layers', async () => {
    const building = draft<StaticValue>();
    const { g } = building;
    const [one, zero] = [g.constant(float32([3], [1, 1, 1]), 'one'), g.constant(float32([3], [0, 0, 0]), 'zero')];
    const x = g.Add(g.Mul(g.input('x', 'float32', ['N', 3, 6, 6]), 3), 2);
    const first = g.BatchNormalization(x, one, zero, zero, one);
    const y = g.BatchNormalization(g.Mul(first, 5), one, zero, zero, one);
    const dense = model(building.finish([valueInfo(y.name, 'float32', ['N', 3, 6, 6])]));
    const { graph } = await reestimate(dense, images, {}, { engine, seed: 1 });
    const norms = graph.nodes.filter(({ op }) => op === 'BatchNormalization');
    const of = (node: number, slot: number) => numbers(graph.initializers.get(norms[node]!.inputs[slot]!)!);
    for (let channel = 0; channel < 3; channel++) {
      expect(of(0, 3)[channel]).toBeCloseTo(2, 0);
      expect(of(0, 4)[channel]! / 9).toBeCloseTo(1, 0);
      // The first layer standardises, whatever its old statistics said.
      expect(of(1, 3)[channel]).toBeCloseTo(0, 5);
      expect(of(1, 4)[channel]).toBeCloseTo(25, 2);
    }
    expect([...numbers(graph.initializers.get('one')!)]).toEqual([1, 1, 1]);
  });
});
