/** What is fitted without labels: least squares find weights that explain the dense answers, statistics are those of the data. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, numbers } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
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
const model = (graph: Model['graph']): Model => modelFrom(graph);

type Build = ReturnType<typeof draft<StaticValue>>['g'];

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

describe('reconstruct, behind a layer', () => {
  const conv = (g: Build, x: StaticValue, out: number, inside: number) =>
    g.Conv(x, g.constant(float32([out, inside, 1, 1], drawn(out * inside)), 'W'), { kernel_shape: [1, 1] });
  const errorOf = async (dense: Model, other: Model): Promise<number> => {
    const name = dense.graph.outputs[0]!.name;
    const [a, b] = await Promise.all(
      [dense, other].map(async (m) => (await predictAll(m, images, name, {}, { engine })).values),
    );
    return Math.sqrt(a!.reduce((sum, v, i) => sum + (v - b![i]!) ** 2, 0) / a!.reduce((sum, v) => sum + v * v, 0));
  };
  const fittedAfterCut = async (dense: Model, width: number, gone: readonly number[]) => {
    const solved = solve(dense.graph);
    const group = solved.groups.find(({ size }) => size === width)!;
    const cuts = [{ group, units: gone }];
    const small = cut(dense, solved, cuts);
    const { model: mended } = await reconstruct(dense, small, cuts, images, { lambda: 1e-7 }, { engine, seed: 1 });
    return { plain: await errorOf(dense, small), mended: await errorOf(dense, mended) };
  };

  it('undoes a normalisation, whose mean takes up the constant that a layer without bias lacks', async () => {
    const building = draft<StaticValue>();
    const { g } = building;
    const x = g.input('x', 'float32', ['N', 3, 6, 6]);
    // The last two channels are the first two over again, and constants besides.
    const own = drawn(6);
    const W = g.constant(float32([5, 3, 1, 1], [...own, ...drawn(3), ...own]), 'V');
    const b = g.constant(float32([5], [0, 0, 0, 3, -2]), 'b');
    const h = conv(g, g.Conv(x, W, b, { kernel_shape: [1, 1] }), 4, 5);
    const four = (values: number[]) => g.constant(float32([4], values), 'n');
    const y = g.Relu(
      g.BatchNormalization(h, four([1, -2, 0.5, 3]), four([0, 1, 2, 1]), four([1, 0, -1, 2]), four([4, 1, 9, 0.25])),
    );
    const dense = model(building.finish([valueInfo(y.name, 'float32', ['N', 4, 6, 6])]));
    const { plain, mended } = await fittedAfterCut(dense, 5, [3, 4]);
    expect(plain).toBeGreaterThan(0.1);
    expect(mended).toBeLessThan(1e-3);
  });

  it('makes good what a shortcut lost', async () => {
    const building = draft<StaticValue>();
    const { g } = building;
    const x = g.input('x', 'float32', ['N', 3, 6, 6]);
    // Two paths that see the same three numbers: what the narrow one loses, the other can answer for.
    const narrow = conv(g, conv(g, x, 2, 3), 4, 2);
    const bias = g.constant(float32([4], drawn(4)), 'b');
    const wide = g.Conv(conv(g, x, 7, 3), g.constant(float32([4, 7, 1, 1], drawn(28)), 'V'), bias, {
      kernel_shape: [1, 1],
    });
    const y = g.Add(narrow, wide);
    const dense = model(building.finish([valueInfo(y.name, 'float32', ['N', 4, 6, 6])]));
    const solved = solve(dense.graph);
    const cuts = [2, 7].map((width) => ({ group: solved.groups.find(({ size }) => size === width)!, units: [0] }));
    const small = cut(dense, solved, cuts);
    const { model: mended } = await reconstruct(dense, small, cuts, images, { lambda: 1e-5 }, { engine, seed: 1 });
    expect(await errorOf(dense, small)).toBeGreaterThan(0.1);
    expect(await errorOf(dense, mended)).toBeLessThan(1e-2);
  });

  it('errs less behind a rectifier than least squares in front of it', async () => {
    const building = draft<StaticValue>();
    const { g } = building;
    const x = g.input('x', 'float32', ['N', 3, 6, 6]);
    const bias = (count: number, at = 0) => g.constant(float32([count], drawn(count).map((v) => v + at)), 'b'); // biome-ignore format: one line
    const hidden = g.Relu(
      g.Conv(x, g.constant(float32([8, 3, 1, 1], drawn(24)), 'V'), bias(8), { kernel_shape: [1, 1] }),
    );
    const h = g.Conv(hidden, g.constant(float32([4, 8, 1, 1], drawn(32)), 'W'), bias(4, -2), { kernel_shape: [1, 1] });
    const open = model(building.finish([valueInfo(h.name, 'float32', ['N', 4, 6, 6])]));
    const y = g.Relu(h);
    const dense = model(building.finish([valueInfo(y.name, 'float32', ['N', 4, 6, 6])]));
    const rectified = (m: Model): Model => ({
      ...m,
      graph: { ...m.graph, nodes: dense.graph.nodes.map((node) => m.graph.nodes.find(({ name, outputs }) => name === node.name && outputs[0] === node.outputs[0]) ?? node), outputs: dense.graph.outputs },
    }); // biome-ignore format: one line
    const fitted = async (m: Model): Promise<Model> => {
      const solved = solve(m.graph);
      const cuts = [{ group: solved.groups.find(({ size }) => size === 8)!, units: [0, 1, 2] }];
      return (await reconstruct(m, cut(m, solved, cuts), cuts, images, { lambda: 1e-7 }, { engine, seed: 1 })).model;
    };
    const [blind, aware] = [rectified(await fitted(open)), await fitted(dense)];
    expect(await errorOf(dense, aware)).toBeLessThan(0.97 * (await errorOf(dense, blind)));
  });
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
