import { afterAll, beforeAll, expect, it } from 'vitest';
import { dense } from '../../test/dense.ts';
import { inMemory } from '../data/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { quantizeDynamic } from './dynamic.ts';
import { toNormalFloat } from './normal-float.ts';
import { quantizeAware } from './qat.ts';
import { quantize } from './quantize.ts';
import { quantizeWeights } from './weight-only.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const [K, N] = [32, 8];
const data = inMemory({
  name: 'waves',
  inputs: { x: { dtype: 'float32', dims: [K], data: Float32Array.from({ length: 8 * K }, (_, i) => Math.sin(i)) } },
});
/** One entry of this kind among sines. */
const broken = (value: number) =>
  dense(
    Float32Array.from({ length: K * N }, (_, i) => (i === 70 ? value : Math.sin(i))),
    K,
    N,
  );

it.each([
  ['static', async () => await quantize(broken(Number.NaN), { data }, { engine })],
  ['aware', async () => await quantizeAware(broken(Number.NaN), { data, epochs: 1 }, { engine })],
  ['dynamic', async () => await quantizeDynamic(broken(Number.POSITIVE_INFINITY), {}, { engine })],
  ['weight-only', async () => await quantizeWeights(broken(Number.NEGATIVE_INFINITY), {}, { engine })],
  ['NF4', async () => toNormalFloat(broken(Number.NaN))],
])('a weight that is not finite is named (%s)', async (_, run) => {
  await expect(run()).rejects.toMatchObject({
    code: 'quantize/weight',
    message: expect.stringContaining('weight'),
    detail: { got: expect.stringContaining(`of ${K * N}`) },
  });
});
