/** A model of one layer for tests of storage: its weight is the caller's, its answers come from the engine. */

import { valueInfo } from '../src/graph/edit.ts';
import type { Model } from '../src/graph/model.ts';
import { float32, floats, type Tensor } from '../src/graph/tensor.ts';
import { writeModel } from '../src/onnx/index.ts';
import { draft } from '../src/ops/builder.ts';
import { modelFrom } from '../src/ops/model-of.ts';
import type { Engine } from '../src/runtime/index.ts';

/** X [N, K] · W [K, N] + b */
export function dense(w: Float32Array, K: number, N: number, bias: Float32Array = new Float32Array(N)): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [2, K]);
  const y = g.Add(g.MatMul(x, g.constant(float32([K, N], w), 'weight')), g.constant(float32([N], bias), 'bias'));
  return modelFrom({
    ...finish([valueInfo(y.name, 'float32', ['N', N])]),
    inputs: [valueInfo('x', 'float32', ['N', K])],
    values: new Map(),
  });
}

/** The first output of a model. */
export async function answer(
  engine: Engine,
  model: Model,
  feeds: Readonly<Record<string, Tensor>>,
  options: { optimize?: 'none' } = {},
): Promise<Float32Array> {
  using session = await engine.load(writeModel(model), options);
  return floats(Object.values(await session.run(feeds))[0]!);
}

/** The cosine of the angle between two answers: 1 where they are alike but for their size. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (p: Float32Array, q: Float32Array) => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
