/** Slopes through control flow: what is unrolled while learning agrees with nudges of the loop itself. */

import { expect, it } from 'vitest';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../../src/grad/expand.ts';
import { removeDead, valueInfo } from '../../src/graph/edit.ts';
import type { Graph } from '../../src/graph/model.ts';
import { float32, floats, type Tensor } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { type Builder, draft } from '../../src/ops/builder.ts';
import { infer } from '../../src/ops/infer.ts';
import { modelFrom } from '../../src/ops/model-of.ts';
import type { StaticValue } from '../../src/ops/op.ts';
import { exactly } from '../../src/ops/sample.ts';
import { openEngine } from '../../src/runtime/index.ts';

const float = { dtype: 'float32' } as const;

/** s' = tanh(s · W + x), y = s'; turned round: the last slice comes first. */
const scan = (g: Builder, s: StaticValue, x: StaticValue, W: StaticValue): StaticValue[] => {
  const slice = { ...float, dims: x.dims.slice(1) };
  const body = g.body([{ ...float, dims: s.dims }, slice], (b, state, one) => {
    const next = b.Tanh(b.Add(b.MatMul(state, W), one));
    return [next, b.Mul(next, next)];
  });
  const turned = { num_scan_inputs: 1, scan_input_directions: [1], scan_output_directions: [1] };
  return g.emit('Scan', [s, x], { body, ...turned }, { outputs: 2 });
};

/** Three turns of s' = sin(s · W), every s' kept. */
const loop = (g: Builder, s: StaticValue, _: StaticValue, W: StaticValue): StaticValue[] => {
  const turn = { dtype: 'int64', dims: [] } as const;
  const go = { dtype: 'bool', dims: [] } as const;
  const body = g.body([turn, go, { ...float, dims: s.dims }], (b, _turn, on, state) => {
    const next = b.Sin(b.MatMul(state, W));
    return [on, next, next];
  });
  return g.emit('Loop', [g.scalar(3, 'int64'), null, s], { body }, { outputs: 2 });
};

/** A condition that is known: exp, not the square. */
const branch = (g: Builder, s: StaticValue, x: StaticValue): StaticValue[] => {
  const then_branch = g.body([], (b) => [b.Exp(x)]);
  const else_branch = g.body([], (b) => [b.Mul(x, x)]);
  const [y] = g.emit('If', [g.constant(exactly('bool', [], [1]), 'yes')], { then_branch, else_branch });
  return [s, y!];
};

it.each([
  ['Scan', scan],
  ['Loop', loop],
  ['If', branch],
] as const)('%s has the shapes it computes and the slopes that nudges show', async (_, make) => {
  using engine = await openEngine({ threads: 1 });
  const feeds: Record<string, Tensor> = {
    s: float32([1, 2], [0.3, -0.5]),
    x: float32([3, 1, 2], [0.1, 0.2, -0.3, 0.4, 0.5, -0.6]),
    W: float32([2, 2], [0.7, -0.2, 0.4, 0.9]),
  };
  const building = draft();
  const { g } = building;
  const [s, x, W] = Object.entries(feeds).map(([name, { dims }]) => g.input(name, 'float32', dims));
  const outputs = make(g, s!, x!, W!);
  const loss = outputs.map((y) => g.ReduceSum(g.Mul(y, y), { keepdims: 0 })).reduce((a, b) => g.Add(a, b));
  const whole = building.finish([...outputs, loss].map(({ name, dtype, dims }) => valueInfo(name, dtype, dims)));
  const facts = infer(whole);
  const run = async (graph: Graph, fed: Record<string, Tensor>) => {
    const model = modelFrom(graph);
    using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
    const read = new Set(session.inputs.map(({ name }) => name));
    return await session.run(Object.fromEntries(Object.entries(fed).filter(([name]) => read.has(name))));
  };
  const plain = removeDead({ ...whole, outputs: whole.outputs.filter(({ name }) => !(name in feeds)) });
  const computed = await run(plain, feeds);
  for (const { name } of plain.outputs) expect(facts.get(name)?.dims, name).toEqual([...computed[name]!.dims]);

  const { graph, slopes } = differentiate(whole, loss.name, Object.keys(feeds), facts);
  const ready = expand(graph, infer(graph), ({ domain }) => domain === OWN_DOMAIN);
  const named = [...new Set(slopes.values())].map((name) => valueInfo(name, 'float32'));
  const learned = await run(removeDead({ ...ready, outputs: named }), feeds);
  expect(slopes.size).toBeGreaterThan(0);
  for (const [name, slope] of slopes) {
    const at = floats(feeds[name]!);
    for (const i of at.keys()) {
      const moved = async (by: number) => {
        const copy = at.slice();
        copy[i]! += by;
        return floats((await run(plain, { ...feeds, [name]: float32(feeds[name]!.dims, copy) }))[loss.name]!)[0]!;
      };
      const seen = ((await moved(5e-3)) - (await moved(-5e-3))) / 1e-2;
      expect(floats(learned[slope]!)[i]!, `${name}[${i}]`).toBeCloseTo(seen, 3);
    }
  }
});
