/** Networks of 16-bit floats are cut as they are; what decides, and the proof, is worked out in float32. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { type Tensor, tensor, toHalf } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { type CriterionName, prune } from './index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(6, 'half');
const drawn = (count: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, () => scale * source.normal());
const halved = ({ dims }: { dims: readonly number[] }, values: Float32Array): Tensor =>
  tensor('float16', dims, Uint16Array.from(values, toHalf));

/** Three convolutions with biases and a head, in float16 from end to end. */
function network(): Model {
  const { g, finish } = draft();
  const constant = (dims: number[], scale: number) =>
    g.constant(
      halved(
        { dims },
        drawn(
          dims.reduce((a, b) => a * b, 1),
          scale,
        ),
      ),
    );
  let y = g.input('x', 'float16', [1, 3, 10, 10]);
  for (const [O, C] of [
    [16, 3],
    [16, 16],
    [16, 16],
  ] as const)
    y = g.Relu(g.Conv(y, constant([O, C, 3, 3], 1 / Math.sqrt(9 * C)), constant([O], 0.3)));
  y = g.Gemm(g.ReduceMean(y, [2, 3], { keepdims: 0 }), constant([4, 16], 1), constant([4], 0.1), { transB: 1 });
  const inputs = [valueInfo('x', 'float16', ['N', 3, 10, 10])];
  return modelFrom({ ...finish([valueInfo(y.name, 'float16', ['N', 4])]), inputs, values: new Map() });
}
const model = network();
const data = inMemory({
  name: 'noise',
  inputs: { x: { dtype: 'float32', dims: [3, 10, 10], data: drawn(64 * 300, 1) } },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from({ length: 64 }, (_, i) => BigInt(i % 4)) },
});

it.each<[CriterionName, object]>([
  ['l2', {}],
  ['taylor', {}],
  ['obd', {}],
  ['obs', { reconstruct: true }],
  ['wanda', { rank: 'measured', reconstruct: true }],
])('%s cuts it, and the file stays in float16', async (by, more) => {
  const { model: small, report } = await prune(
    model,
    { keep: { macs: 0.5 }, by, data, roundTo: 1, ...more },
    { engine },
  );
  expect(report.fault).toBeUndefined();
  expect(report.error).toBeLessThan(1e-5);
  expect(report.after.macs).toBeLessThan(0.55 * report.before.macs);
  const floats = [...small.graph.initializers.values()].filter(({ dtype }) => dtype.startsWith('float'));
  expect(new Set(floats.map(({ dtype }) => dtype))).toEqual(new Set(['float16']));
  using session = await engine.load(writeModel(small));
  const x = halved({ dims: [2, 3, 10, 10] }, drawn(600, 1));
  expect(Object.values(await session.run({ x }))[0]).toMatchObject({ dtype: 'float16', dims: [2, 4] });
});
