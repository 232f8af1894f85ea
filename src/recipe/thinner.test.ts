import { afterAll, beforeAll, expect, it } from 'vitest';
import { inMemory } from '../data/index.ts';
import { dense, sequential } from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { thinner } from './thinner.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

it('makes no student of a teacher of which nothing can go', async () => {
  const x = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));
  const data = inMemory({ name: 'rows', inputs: { x: { dtype: 'float32', dims: [4], data: x } } });
  const teacher = sequential([dense(3)], { input: [4] });
  await expect(thinner(teacher, {}, data, { engine })).rejects.toMatchObject({
    code: 'distill/student',
    message: expect.stringContaining('every channel is protected'),
  });
});
