import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { judgeOf } from './judge.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(3, 'two answers');
const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());
const [A, B] = [drawn(24), drawn(16)];
const data = inMemory({ name: 'points', inputs: { x: { dtype: 'float32', dims: [8], data: drawn(40 * 8) } } });

/** Scores [N, 3] and numbers [N, 2] of the same points; the second weights times `factor`. */
function network(factor: number): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const x = g.input('x', 'float32', ['N', 8]);
  const scores = g.MatMul(x, g.constant(float32([8, 3], A), 'A'));
  const numbers = g.MatMul(
    x,
    g.constant(
      float32(
        [8, 2],
        B.map((value) => value * factor),
      ),
      'B',
    ),
  );
  const graph = building.finish([
    valueInfo(scores.name, 'float32', ['N', 3]),
    valueInfo(numbers.name, 'float32', ['N', 2]),
  ]);
  return { ir: 10, opsets: { '': 21 }, graph, producer: { name: 'test', version: '' }, metadata: {} };
}

it('answers are the same only where they are in every output', async () => {
  const judge = await judgeOf(network(1), data, { engine });
  expect((await judge.score(network(1))).drop).toBe(0);
  expect((await judge.score(network(0.98))).drop).toBe(0);
  // numbers of half the length keep no class, and are further off than 10 %
  const ruined = (await judge.score(network(-0.5))).drop;
  expect(ruined).toBeGreaterThan(0.9);
});
