/**
 * Does the engine's u8 · s8 product lose bits here? On x86 without VNNI, two neighbouring products are added in 16 bits:
 *
 *   255 · 127 + 255 · 127 = 64770  →  32767          weights of 7 bits stay below: 255 · 64 + 255 · 64 = 32640
 */

import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/write.ts';
import type { Engine } from '../runtime/index.ts';

const K = 64;
const N = 16;

const known = new WeakMap<Engine, Promise<boolean>>();

/** Multiplies the largest integers with each other and looks whether the sum is right: once for each engine, a few milliseconds. */
export function saturates(engine: Engine): Promise<boolean> {
  const found = known.get(engine) ?? tried(engine);
  known.set(engine, found);
  found.catch(() => known.delete(engine));
  return found;
}

async function tried(engine: Engine): Promise<boolean> {
  const model: Model = {
    ir: 8,
    opsets: { '': 17 },
    producer: { name: 'pare', version: '' },
    metadata: {},
    graph: {
      name: 'saturates',
      nodes: [{ op: 'MatMulInteger', domain: '', name: '', inputs: ['x', 'w'], outputs: ['y'], attrs: {} }],
      inputs: [valueInfo('x', 'uint8', [1, K])],
      outputs: [valueInfo('y', 'int32', [1, N])],
      initializers: new Map([['w', tensor('int8', [K, N], new Int8Array(K * N).fill(127))]]),
      values: new Map(),
    },
  };
  using session = await engine.load(writeModel(model), { threads: 1, optimize: 'none' });
  const { y } = await session.run({ x: tensor('uint8', [1, K], new Uint8Array(K).fill(255)) });
  return elements(y!).some((sum) => Number(sum) !== 255 * 127 * K);
}
