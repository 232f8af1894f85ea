import { afterAll, beforeAll, expect, it } from 'vitest';
import { answer, cosine, dense } from '../../test/dense.ts';
import { random } from '../base/random.ts';
import { valueInfo } from '../graph/edit.ts';
import { float32, type Tensor, tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { toHalfStorage } from './half.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'half');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

it('float16 storage halves the file and keeps what float16 cannot hold', async () => {
  const [K, N] = [64, 64];
  const model = dense(noise(K * N), K, N, noise(N));
  const { model: small, report } = toHalfStorage(model);
  const x = float32([2, K], noise(2 * K));
  expect(cosine(await answer(engine, small, { x }), await answer(engine, model, { x }))).toBeGreaterThan(0.99999);
  expect(report.after.bytes).toBeLessThan(0.55 * report.before.bytes);
  expect(toHalfStorage(dense(noise(K * N).fill(1e6), K, N)).report.kept[0]!.why).toContain('65504');
  expect(toHalfStorage(dense(noise(K * N).fill(1e-9), K, N)).report.kept[0]!.why).toContain('too small');
});

it('stores what float16 cannot hold as bfloat16', async () => {
  const w = noise(64 * 8).map((v) => v * 1e6);
  const model = dense(w, 64, 8, noise(8));
  const { model: small, report } = toHalfStorage(model, { as: 'bfloat16' });
  expect(report.kept).toEqual([]);
  const x = float32([2, 64], noise(2 * 64));
  expect(cosine(await answer(engine, small, { x }), await answer(engine, model, { x }))).toBeGreaterThan(0.9999);
  expect(toHalfStorage(model).report.kept.length).toBe(1);
});

it('stores Constant nodes and what branches hold, and leaves what an excluded node reads', async () => {
  const matrix = (): Tensor => float32([16, 16], noise(256));
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [2, 16]);
  const held = g.MatMul(x, g.emit('Constant', [], { value: matrix() })[0]!);
  const choice = g.constant(tensor('bool', [], Uint8Array.of(1)), 'choice');
  const [y] = g.emit('If', [choice], {
    then_branch: g.body([], (pen) => [pen.MatMul(held, pen.constant(matrix(), 'own'))]),
    else_branch: g.body([], (pen) => [pen.Neg(held)]),
  });
  const last = g.emit('Gemm', [y!, g.constant(matrix(), 'last')])[0]!;
  const model = modelFrom({ ...finish([valueInfo(last.name, 'float32', [2, 16])]), values: new Map() });
  const { model: small, report } = toHalfStorage(model, { exclude: ['Gemm'] });
  expect(report.quantized).toHaveLength(2);
  expect(report.kept).toEqual([{ node: expect.stringContaining('last'), op: 'initializer', why: 'excluded' }]);
  // Three matrices of 1 kB; two become half.
  expect(report.before.bytes - report.after.bytes).toBeGreaterThan(800);
  const input = float32([2, 16], noise(32));
  const [a, b] = [await answer(engine, small, { x: input }), await answer(engine, model, { x: input })];
  expect(cosine(a, b)).toBeGreaterThan(0.99999);
});
