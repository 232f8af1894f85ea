/** A model as it stands, run once. */

import type { Model } from '../src/graph/model.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { writeModel } from '../src/onnx/index.ts';
import type { Engine } from '../src/runtime/index.ts';

/** All outputs by name, on one thread, with none of the engine's own optimisations. */
export async function run(
  engine: Engine,
  model: Model,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
  return await session.run(feeds);
}
