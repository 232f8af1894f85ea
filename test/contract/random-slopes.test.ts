/** Random small networks: the slopes that differentiation appends agree with central differences along random directions. */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../../src/base/random.ts';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../../src/grad/expand.ts';
import { removeDead, valueInfo } from '../../src/graph/edit.ts';
import type { Graph } from '../../src/graph/model.ts';
import { float32, floats, sizeOf, type Tensor, tensorBytes } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { type Builder, draft } from '../../src/ops/builder.ts';
import { infer } from '../../src/ops/infer.ts';
import { modelFrom } from '../../src/ops/model-of.ts';
import type { StaticValue } from '../../src/ops/op.ts';
import { type Engine, openEngine } from '../../src/runtime/index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

type Weight = (dims: readonly number[]) => StaticValue;
type Step = (g: Builder, x: StaticValue, other: StaticValue, w: Weight) => StaticValue;

/** Smooth steps from [2, 4, 3, 3] to the same: a nudge then says all about a slope. */
const STEPS: Readonly<Record<string, Step>> = {
  conv: (g, x, _, w) => g.Conv(x, w([4, 4, 3, 3]), w([4]), { pads: [1, 1, 1, 1] }),
  grouped: (g, x, _, w) => g.Conv(x, w([4, 2, 1, 1]), { group: 2 }),
  transposed: (g, x, _, w) => g.ConvTranspose(x, w([4, 4, 3, 3]), { pads: [1, 1, 1, 1] }),
  tanh: (g, x) => g.Tanh(x),
  gelu: (g, x) => g.Gelu(x),
  softplus: (g, x) => g.Softplus(x),
  silu: (g, x) => g.Mul(x, g.Sigmoid(x)),
  residual: (g, x, other) => g.Add(x, other),
  gate: (g, x, other) => g.Mul(x, g.Sigmoid(other)),
  quotient: (g, x, other) => g.Div(x, g.Add(g.Mul(other, other), 1)),
  scale: (g, x, _, w) => g.Mul(x, w([4, 1, 1])),
  instanceNorm: (g, x, _, w) => g.InstanceNormalization(x, w([4]), w([4]), { epsilon: 0.1 }),
  groupNorm: (g, x, _, w) => g.GroupNormalization(x, w([4]), w([4]), { num_groups: 2, epsilon: 0.1 }),
  layerNorm: (g, x, _, w) => g.LayerNormalization(x, w([3]), w([3]), { axis: -1, epsilon: 0.1 }),
  softmax: (g, x) => g.Softmax(x, { axis: 1 }),
  average: (g, x) => g.AveragePool(x, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  dense: (g, x, _, w) => g.reshape(g.Gemm(g.Flatten(x), w([36, 36]), w([36]), { transB: 1 }), x.dims),
  turned: (g, x, _, w) =>
    g.Transpose(g.MatMul(g.Transpose(x, { perm: [0, 2, 3, 1] }), w([4, 4])), { perm: [0, 3, 1, 2] }),
  halves: (g, x) => {
    const [a, b] = g.emit('Split', [x], { axis: 1, num_outputs: 2 }, { outputs: 2 });
    return g.Concat(g.Sin(b!), a!, { axis: 1 });
  },
  wide: (g, x) => g.Slice(g.Pad(x, [0, 0, 1, 2, 0, 0, 2, 1]), [1, 1], [4, 4], [2, 3]),
  mean: (g, x) => g.Sub(x, g.ReduceMean(x, [2, 3])),
  norm: (g, x) => g.Div(x, g.Add(g.ReduceL2(x, [1]), 1)),
  gathered: (g, x) => g.Gather(x, g.ints([2, 0, 0, 3]), { axis: 1 }),
  product: (g, x, other) => g.Einsum(x, other, { equation: 'nchw,nchv->ncwv' }),
  running: (g, x) => g.CumSum(x, g.scalar(2, 'int64')),
};
const names = Object.keys(STEPS);

/** The steps as a graph whose output is one number, and the values of its weights. */
function network(chosen: readonly (readonly [string, number])[]): {
  graph: Graph;
  loss: string;
  at: Map<string, Tensor>;
} {
  const source = random(7, JSON.stringify(chosen));
  const at = new Map<string, Tensor>();
  const building = draft();
  const { g } = building;
  const draw = (dims: readonly number[], size: number): Tensor =>
    float32(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => size * source.normal()),
    );
  const w: Weight = (dims) => {
    const name = `w${at.size}`;
    at.set(name, draw(dims, 0.4));
    return g.input(name, 'float32', dims);
  };
  let x = w([2, 4, 3, 3]);
  const past = [x];
  for (const [name, from] of chosen) {
    x = STEPS[name]!(g, x, past[from % past.length]!, w);
    past.push(x);
  }
  const loss = g.ReduceSum(g.Mul(x, g.constant(draw(x.dims, 1))), { keepdims: 0 });
  return { graph: building.finish([valueInfo(loss.name, 'float32', [])]), loss: loss.name, at };
}

async function run(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Promise<Record<string, Tensor>> {
  const model = modelFrom(graph);
  using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
  const read = new Set(session.inputs.map(({ name }) => name));
  return await session.run(Object.fromEntries([...feeds].filter(([name]) => read.has(name))));
}

const moved = (at: ReadonlyMap<string, Tensor>, along: ReadonlyMap<string, Float32Array>, by: number) =>
  new Map(
    [...at].map(([name, t]) => [
      name,
      float32(
        t.dims,
        floats(t).map((x, i) => x + by * along.get(name)![i]!),
      ),
    ]),
  );

it('holds for networks of random steps', { timeout: 120_000 }, () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(5)), { minLength: 1, maxLength: 6 }),
      fc.nat(99),
      async (chosen, seed) => {
        const { graph, loss, at } = network(chosen);
        const { graph: whole, slopes } = differentiate(graph, loss, at.keys());
        const ready = expand(whole, infer(whole), ({ domain }) => domain === OWN_DOMAIN);
        const outputs = [...new Set(slopes.values())].map((name) => valueInfo(name, 'float32'));
        const told = await run(removeDead({ ...ready, outputs }), at);
        for (const [name, value] of slopes) expect(tensorBytes(told[value]!)).toBe(tensorBytes(at.get(name)!));
        const source = random(seed, 'direction');
        const along = new Map([...at].map(([name, t]) => [name, floats(t).map(() => source.normal())]));
        const slope = [...slopes].reduce(
          (sum, [name, value]) => sum + floats(told[value]!).reduce((part, d, i) => part + d * along.get(name)![i]!, 0),
          0,
        );
        const lossAt = async (by: number) => floats((await run(graph, moved(at, along, by)))[loss]!)[0]!;
        const difference = async (by: number) => ((await lossAt(by)) - (await lossAt(-by))) / (2 * by);
        // Richardson: what curvature adds to a central difference cancels between two steps.
        const seen = (4 * (await difference(4e-3)) - (await difference(8e-3))) / 3;
        const size = Math.max(1, ...[...slopes.values()].map((value) => norm(floats(told[value]!))));
        expect(Math.abs(seen - slope) / size, `told ${slope}, seen ${seen}`).toBeLessThan(2e-2);
      },
    ),
    { numRuns: 80, seed: 3 },
  ),
);

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
