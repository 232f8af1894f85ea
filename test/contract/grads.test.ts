/** Second truth for slopes: PyTorch's autograd, in double precision, on the same one-node models (test/oracle/grads.py). */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../../src/grad/expand.ts';
import type { DType } from '../../src/graph/dtype.ts';
import { removeDead, valueInfo } from '../../src/graph/edit.ts';
import type { Graph, Model } from '../../src/graph/model.ts';
import { float32, floats, type Tensor, tensor } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { draft } from '../../src/ops/builder.ts';
import { rowNamed } from '../../src/ops/index.ts';
import { infer } from '../../src/ops/infer.ts';
import { type Engine, openEngine } from '../../src/runtime/index.ts';

interface Flat {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}
interface Case {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly attrs: Record<string, number | string | readonly number[]>;
  readonly inputs: Record<string, Flat>;
  readonly exact: Record<string, readonly [DType, readonly number[], readonly number[]]>;
  readonly outputs: readonly (Flat & { readonly slope: readonly number[] })[];
  readonly slopes: Record<string, readonly number[]>;
}

const cases = JSON.parse(readFileSync(new URL('../oracle/grads.json', import.meta.url), 'utf8')) as Case[];

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** Largest difference as a share of the largest value. */
const off = (got: Float32Array, want: readonly number[]): number => {
  expect(got.length).toBe(want.length);
  const size = want.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
  return want.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i]!) / size), 0);
};

it.each(cases.map((one) => [one.name, one] as const))('%s: outputs and slopes are PyTorch’s', async (_, one) => {
  const row = rowNamed(one.op, one.domain)!;
  const building = draft();
  const { g } = building;
  const feeds: Record<string, Tensor> = {};
  const operand = (slot: string) => {
    const fixed = one.exact[slot];
    if (fixed) return g.constant(tensor(...fixed), slot);
    const given = one.inputs[slot];
    if (!given) return null;
    feeds[slot] = float32(given.dims, given.data);
    return g.input(slot, 'float32', given.dims);
  };
  const operands = row.inputs.flatMap((slot) =>
    slot.startsWith('...')
      ? Object.keys(one.inputs)
          .filter((name) => name.startsWith(slot.slice(3)))
          .map(operand)
      : [operand(slot.replace('?', ''))],
  );
  const needed = row.outputs.filter((slot) => !slot.endsWith('?') && !slot.startsWith('...')).length;
  const outputCount = Math.max(needed, one.outputs.length);
  const made = g
    .emit(one.op, operands, one.attrs, { domain: one.domain, outputs: outputCount })
    .slice(0, one.outputs.length);
  const terms = made.map((value, i) =>
    g.ReduceSum(g.Mul(value, g.constant(float32(value.dims, one.outputs[i]!.slope))), { keepdims: 0 }),
  );
  const loss = terms.reduce((a, b) => g.Add(a, b));
  const whole = building.finish([...made, loss].map(({ name, dtype, dims }) => valueInfo(name, dtype, dims)));
  const wanted = Object.keys(one.slopes);
  const { graph, slopes } = differentiate(whole, loss.name, wanted, infer(whole));
  const ready: Graph = expand(graph, infer(graph), ({ domain }) => domain === OWN_DOMAIN);
  const names = [...made.map(({ name }) => name), ...slopes.values()];
  const outputs = [...new Set(names)].map((name) => valueInfo(name, 'float32'));
  const model: Model = {
    ir: 10,
    opsets: { '': row.since ?? 21, 'com.microsoft': 1 },
    graph: removeDead({ ...ready, outputs }),
    producer: { name: 'test', version: '' },
    metadata: {},
  };
  using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
  const computed = await session.run(feeds);
  for (const [i, { name }] of made.entries()) {
    expect(off(floats(computed[name]!), one.outputs[i]!.data), `output ${i}`).toBeLessThan(2e-5);
  }
  for (const slot of wanted) {
    expect(off(floats(computed[slopes.get(slot)!]!), one.slopes[slot]!), `slope of ${slot}`).toBeLessThan(5e-5);
  }
});
