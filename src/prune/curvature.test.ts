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
import { curvatures } from './curvature.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const SAMPLES = 4096;
const source = random(5, 'curvature');
const X = Float32Array.from({ length: SAMPLES * 2 }, () => source.normal());
const data = inMemory({ name: 'noise', inputs: { x: { dtype: 'float32', dims: [2], data: X } } });
const W = [1, -0.5, 0.25, 0.5, 1, -1];

/** z = x · W, y = z · V. */
function network(V: readonly number[]): { model: Model; z: string } {
  const building = draft<StaticValue>();
  const { g } = building;
  const z = g.MatMul(g.input('x', 'float32', ['N', 2]), g.constant(float32([2, 3], W), 'W'));
  const y = g.MatMul(z, g.constant(float32([3, 3], V), 'V'));
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 3])]);
  return { model: modelFrom(graph), z: z.name };
}

describe('curvatures', () => {
  it('are what the divergence grows by: ½ E[Σ_k p_k (V_jk − Σ_l p_l V_jl)²]', async () => {
    const V = [1, 0, 0.5, -1, 0.3, 0, 0, 2, 1];
    const { model, z } = network(V);
    const found = await curvatures(model, new Map([[z, 1]]), data, SAMPLES, { engine, seed: 1 });
    const expected = [0, 0, 0];
    for (let n = 0; n < SAMPLES; n++) {
      const hidden = [0, 1, 2].map((j) => X[2 * n]! * W[j]! + X[2 * n + 1]! * W[3 + j]!);
      const logits = [0, 1, 2].map((k) => hidden.reduce((sum, h, j) => sum + h * V[3 * j + k]!, 0));
      const total = logits.reduce((sum, y) => sum + Math.exp(y), 0);
      const p = logits.map((y) => Math.exp(y) / total);
      for (let j = 0; j < 3; j++) {
        const v = V.slice(3 * j, 3 * j + 3);
        const mean = v.reduce((sum, value, k) => sum + p[k]! * value, 0);
        expected[j]! += v.reduce((sum, value, k) => sum + p[k]! * (value - mean) ** 2, 0) / 2 / SAMPLES;
      }
    }
    for (const [j, value] of expected.entries()) expect(found.get(z)![j]! / value).toBeCloseTo(1, 1);
  });
});
