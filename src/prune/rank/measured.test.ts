import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { type Dataset, inMemory } from '../../data/index.ts';
import { valueInfo } from '../../graph/edit.ts';
import { float32 } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { divergence } from '../divergence.ts';
import { prune } from '../prune.ts';
import { apart, hull } from './measured.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

describe('hull', () => {
  it('lies below all points, touches both ends and never gets flatter', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 2, maxLength: 8 }), (losses) => {
        const points = losses.map((loss, i) => ({ count: i * 3, loss }));
        const line = hull(points);
        expect([line[0], line.at(-1)]).toEqual([points[0], points.at(-1)]);
        const slopes = line.slice(1).map((b, i) => (b.loss - line[i]!.loss) / (b.count - line[i]!.count));
        for (const [i, slope] of slopes.entries()) if (i > 0) expect(slope).toBeGreaterThan(slopes[i - 1]!);
        for (const { count, loss } of points) {
          const i = line.findIndex((to, at) => at > 0 && to.count >= count);
          expect(line[i]!.loss - (line[i]!.count - count) * slopes[i - 1]!).toBeLessThanOrEqual(loss + 1e-9);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('apart', () => {
  const numbered = (size: number) =>
    inMemory({
      name: 'numbered',
      inputs: { x: { dtype: 'float32', dims: [1], data: Float32Array.from({ length: size }, (_, i) => i) } },
    });
  const read = (data: Dataset): number[] => {
    const into = new Float32Array(data.size);
    data.fill('x', Int32Array.from(into.keys()), into);
    return [...into];
  };

  it('measures on samples that nothing is fitted to, unless there are few', () => {
    const { fitted, judged } = apart(numbered(64));
    expect([fitted.size, judged.size]).toEqual([48, 16]);
    expect([...read(fitted), ...read(judged)]).toEqual(read(numbered(64)));
    expect(apart(numbered(10_000)).judged.size).toBe(128);
    const few = apart(numbered(12));
    expect([few.fitted.size, few.judged.size]).toEqual([12, 12]);
  });
});

describe('divergence', () => {
  it('is that of the classes, and the share of the squares for numbers', () => {
    const rows = (values: number[], dims: number[]) => ({ values, dims });
    const kl = 0.25 * Math.log(0.25 / 0.5) + 0.75 * Math.log(0.75 / 0.5);
    expect(divergence(rows([0, Math.log(3)], [2]), rows([7, 7], [2]), 1)).toBeCloseTo(kl, 12);
    expect(
      divergence(rows([1, 2, 3, 4, 0, 0, 0, 0], [2, 2, 2]), rows([1, 2, 3, 1, 0, 0, 0, 0], [2, 2, 2]), 1),
    ).toBeCloseTo(0.3, 12);
  });
});

describe("rank 'measured'", () => {
  it('takes from the layer that does not matter, whatever the sizes of its weights', async () => {
    const source = random(4, 'measured');
    const drawn = (count: number, scale = 1) => Float32Array.from({ length: count }, () => scale * source.normal());
    const building = draft<StaticValue>();
    const { g } = building;
    const x = g.input('x', 'float32', ['N', 8]);
    // Big weights that the output hardly hears, and small ones that decide it.
    const idle = g.Relu(g.MatMul(x, g.constant(float32([8, 16], drawn(128, 10)), 'idle')));
    const busy = g.Relu(g.MatMul(x, g.constant(float32([8, 16], drawn(128, 0.1)), 'busy')));
    const y = g.Add(
      g.Mul(g.MatMul(idle, g.constant(float32([16, 4], drawn(64, 10)), 'idle2')), 1e-6),
      g.Mul(g.MatMul(busy, g.constant(float32([16, 4], drawn(64, 0.1)), 'busy2')), 1e3),
    );
    const graph = building.finish([valueInfo(y.name, 'float32', ['N', 4])]);
    const model = modelFrom(graph);
    const data = inMemory({ name: 'noise', inputs: { x: { dtype: 'float32', dims: [8], data: drawn(64 * 8) } } });
    const lab = { engine, seed: 1 };
    const kept = async (rank: 'global' | 'measured') => {
      const { report } = await prune(model, { keep: { macs: 0.6 }, by: 'l2', rank, data, normalization: 'none' }, lab);
      return Object.fromEntries(report.groups.map(({ name, kept }) => [name.replace(/\[.*/, ''), kept]));
    };
    expect((await kept('global'))['busy']).toBeLessThan(16);
    expect(await kept('measured')).toMatchObject({ busy: 16 });
  });

  it('goes on where means far above the spread of what layers read hide it', async () => {
    const source = random(6, 'flat');
    const drawn = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * source.normal());
    const { g, finish } = draft();
    const constant = (dims: number[]) =>
      g.constant(
        float32(
          dims,
          drawn(
            dims.reduce((a, b) => a * b, 1),
            0.2,
          ),
        ),
      );
    let y = g.input('x', 'float32', [1, 24]);
    for (const [K, N] of [
      [24, 32],
      [32, 32],
      [32, 4],
    ] as const)
      y = g.Gemm(y, constant([K, N]), constant([N]));
    const graph = finish([valueInfo(y.name, 'float32', ['N', 4])]);
    const inputs = [valueInfo('x', 'float32', ['N', 24])];
    const flat = inMemory({
      name: 'flat',
      inputs: { x: { dtype: 'float32', dims: [24], data: drawn(64 * 24, 3e-2).map((v) => v + 100) } },
    });
    const how = { keep: { macs: 0.5 }, rank: 'measured', reconstruct: true, data: flat, roundTo: 1 } as const;
    const { report } = await prune(modelFrom({ ...graph, inputs, values: new Map() }), how, { engine });
    expect(report.isMet).toBe(true);
  });
});
