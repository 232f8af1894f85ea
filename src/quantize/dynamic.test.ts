import { afterAll, beforeAll, expect, it } from 'vitest';
import { answer, cosine, dense } from '../../test/dense.ts';
import { random } from '../base/random.ts';
import { valueInfo } from '../graph/edit.ts';
import { float32, int64 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { quantizeDynamic } from './dynamic.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'dynamic');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

it('stays close, fuses, and shares the integers of one input', async () => {
  const [K, N] = [128, 64];
  const w = noise(K * N);
  const model = dense(w, K, N, noise(N));
  const { model: small, report } = await quantizeDynamic(model, {}, { engine });
  const x = float32([4, K], noise(4 * K));
  expect(cosine(await answer(engine, small, { x }), await answer(engine, model, { x }))).toBeGreaterThan(0.999);
  expect(report.quantized).toHaveLength(1);
  expect(report.after.bytes).toBeLessThan(report.before.bytes / 3);
});

it('stores convolutions in 8 bits, but for those that are excluded', async () => {
  const { g, finish } = draft();
  const w = g.constant(float32([32, 16, 3, 3], noise(32 * 16 * 9)), 'kernel');
  const y = g.emit('Conv', [g.input('x', 'float32', [1, 16, 8, 8]), w], {}, { name: 'layer' })[0]!;
  const graph = finish([valueInfo(y.name, y.dtype, y.dims)]);
  const model = modelFrom(graph);
  const kernels = async (exclude: readonly string[]): Promise<boolean> =>
    (await quantizeDynamic(model, { exclude }, { engine })).model.graph.initializers.has('kernel');
  expect([await kernels([]), await kernels(['layer']), await kernels(['Conv'])]).toEqual([false, true, true]);
});

it('stores a matrix that stands on the left', async () => {
  const [M, K, N] = [48, 32, 5];
  const { g, finish } = draft();
  const y = g.MatMul(g.constant(float32([M, K], noise(M * K)), 'left'), g.input('x', 'float32', [2, K, N]));
  const graph = { ...finish([valueInfo(y.name, 'float32', [2, M, N])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small, report } = await quantizeDynamic(model, {}, { engine });
  expect(report.kept).toMatchObject([{ why: 'its matrix stands on the left' }]);
  expect(small.graph.initializers.has('left')).toBe(false);
  const x = float32([2, K, N], noise(2 * K * N));
  expect(cosine(await answer(engine, small, { x }), await answer(engine, model, { x }))).toBeGreaterThan(0.9999);
});

it('stores tables by rows, but for those that are excluded', async () => {
  const [V, D] = [60, 32];
  const { g, finish } = draft();
  const sizes = Float32Array.from({ length: V }, (_, v) => 2 ** (v % 9));
  const table = noise(V * D).map((x, i) => x * sizes[Math.floor(i / D)]!);
  const rows = g.Gather(g.constant(float32([V, D], table), 'table'), g.input('ids', 'int64', [3]));
  const graph = { ...finish([valueInfo(rows.name, 'float32', [3, D])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small } = await quantizeDynamic(model, {}, { engine });
  expect(small.graph.initializers.has('table')).toBe(false);
  const looked = await answer(engine, small, { ids: int64([3], [0, 8, 59]) });
  [0, 8, 59].forEach((v, i) => {
    const row = table.slice(v * D, (v + 1) * D);
    const step = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
    row.forEach((x, d) => {
      expect(Math.abs(looked[i * D + d]! - x)).toBeLessThan(0.51 * step);
    });
  });
  const kept = await quantizeDynamic(model, { exclude: ['Gather'] }, { engine });
  expect(kept.model.graph.initializers.has('table')).toBe(true);
});
