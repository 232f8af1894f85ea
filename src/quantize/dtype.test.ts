import { afterAll, beforeAll, expect, it } from 'vitest';
import { answer, cosine } from '../../test/dense.ts';
import { node } from '../../test/node.ts';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { checkGraph } from '../graph/check.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Attr, Model, Node } from '../graph/model.ts';
import { float32, int64, tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { dtypes } from './dtype.ts';
import { quantizeWeights } from './weight-only.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'dtype');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

/** Two branches of a merged decoder, which share matrices with each other and with what follows them. */

function branches(): Model {
  const K = 64;
  const matrix = () =>
    float32(
      [K, K],
      noise(K * K).map((v) => v / 8),
    );
  const branch = (name: string, nodes: Node[]): Attr => {
    const outputs = [{ name: nodes.at(-1)!.outputs[0]! }];
    return { kind: 'graph', value: { name, nodes, inputs: [], outputs, initializers: new Map(), values: new Map() } };
  };
  const choice: Node = {
    ...node('If', ['cached'], 'h'),
    attrs: {
      then_branch: branch('first', [node('MatMul', ['x', 'W'], 'a'), node('MatMul', ['a', 'V'], 'b')]),
      else_branch: branch('later', [node('MatMul', ['x', 'V'], 'c'), node('MatMul', ['c', 'W'], 'd')]),
    },
  };
  return modelFrom({
    name: 'merged',
    nodes: [choice, node('MatMul', ['h', 'W'], 'y')],
    inputs: [valueInfo('x', 'float32', ['N', K]), valueInfo('cached', 'bool', [])],
    outputs: [valueInfo('y', 'float32', ['N', K])],
    initializers: new Map([
      ['W', matrix()],
      ['V', matrix()],
    ]),
    values: new Map(),
  });
}

it.each(['q8', 'uint8', 'q4', 'q4f16', 'bnb4'] as const)(
  'quantises branches too, each matrix once, as %s',
  async (dtype) => {
    const model = branches();
    const { model: small, kept } = await dtypes[dtype].run(model, {}, { engine });
    expect(kept).toEqual([]);
    checkGraph(small);
    const large = [...small.graph.initializers.values()].filter(({ bytes }) => bytes.length >= 2048);
    expect(large).toHaveLength(2);
    expect(large.every(({ dtype }) => /^u?int8$/.test(dtype))).toBe(true);
    const x = float32([3, 64], noise(3 * 64));
    for (const cached of [0, 1]) {
      const feeds = { x, cached: tensor('bool', [], [cached]) };
      expect(cosine(await answer(engine, small, feeds), await answer(engine, model, feeds))).toBeGreaterThan(
        dtype.includes('8') ? 0.999 : 0.97,
      );
    }
  },
);

it.each([4, 8] as const)('writes blocks of %i bits in standard ONNX into each branch that reads them', async (bits) => {
  const model = branches();
  const { model: small, report } = await quantizeWeights(model, { bits, standard: true }, { engine });
  expect(report.quantized).toHaveLength(5);
  checkGraph(small);
  const x = float32([3, 64], noise(3 * 64));
  for (const cached of [0, 1]) {
    const feeds = { x, cached: tensor('bool', [], [cached]) };
    expect(cosine(await answer(engine, small, feeds), await answer(engine, model, feeds))).toBeGreaterThan(
      bits === 8 ? 0.999 : 0.97,
    );
  }
});

it.each(['q8', 'q4', 'bnb4'] as const)(
  'quantises matrices that a branch holds in Constant nodes, as %s',
  async (dtype) => {
    const { graph, ...rest } = branches();
    const [choice, last] = graph.nodes as [Node, Node];
    const held = (attr: Attr, name: string): Attr => {
      if (attr.kind !== 'graph') return attr;
      const value = { value: { kind: 'tensor', value: graph.initializers.get('V')! } } as const;
      const constant = { ...node('Constant', [], name), attrs: value };
      const nodes = attr.value.nodes.map((each) => ({
        ...each,
        inputs: each.inputs.map((x) => (x === 'V' ? name : x)),
      }));
      return { ...attr, value: { ...attr.value, nodes: [constant, ...nodes] } };
    };
    const attrs = Object.fromEntries(Object.entries(choice.attrs).map(([key, attr]) => [key, held(attr, `${key}_V`)]));
    const initializers = new Map([['W', graph.initializers.get('W')!]]);
    const model: Model = { ...rest, graph: { ...graph, initializers, nodes: [{ ...choice, attrs }, last] } };
    const { model: small, kept } = await dtypes[dtype].run(model, {}, { engine });
    expect(kept).toEqual([]);
    checkGraph(small);
    const x = float32([3, 64], noise(3 * 64));
    for (const cached of [0, 1]) {
      const feeds = { x, cached: tensor('bool', [], [cached]) };
      expect(cosine(await answer(engine, small, feeds), await answer(engine, model, feeds))).toBeGreaterThan(
        dtype === 'q8' ? 0.999 : 0.97,
      );
    }
  },
);

it.each(['q8', 'q4', 'bnb4'] as const)(
  'quantises a table that is turned to be multiplied with, as %s',
  async (dtype) => {
    const [V, D] = [96, 32];
    const { g, finish } = draft();
    const table = g.constant(float32([V, D], noise(V * D)), 'table');
    const rows = g.Gather(table, g.input('ids', 'int64', [3]));
    const y = g.MatMul(rows, g.Transpose(table, { perm: [1, 0] }));
    const graph = { ...finish([valueInfo(y.name, 'float32', [3, V])]), values: new Map() };
    const model = modelFrom(graph);
    const { model: small, kept } = await dtypes[dtype].run(model, {}, { engine });
    expect(kept).toEqual([]);
    expect(small.graph.nodes.some(({ op }) => op === 'Transpose')).toBe(false);
    const ids = int64([3], [0, 50, 95]);
    expect(cosine(await answer(engine, small, { ids }), await answer(engine, model, { ids }))).toBeGreaterThan(
      dtype === 'q8' ? 0.999 : 0.97,
    );
  },
);

it('gptq and awq leave branches to rounding to nearest', async () => {
  const data = inMemory({
    name: 'rows',
    inputs: {
      x: { dtype: 'float32', dims: [64], data: noise(128 * 64) },
      cached: { dtype: 'bool', dims: [], data: Uint8Array.of(1), whole: true },
    },
  });
  for (const method of ['gptq', 'awq'] as const) {
    const { report } = await quantizeWeights(branches(), { method, data }, { engine });
    expect(report.quantized).toHaveLength(5);
  }
});

it.each(['q4', 'bnb4', 'q8'] as const)('stores a matrix that several layers share once, as %s', async (dtype) => {
  const [K, N] = [64, 64];
  const { g, finish } = draft();
  const w = g.constant(float32([K, N], noise(K * N)), 'shared');
  const y = g.MatMul(g.Relu(g.MatMul(g.input('x', 'float32', [2, K]), w)), w);
  const graph = { ...finish([valueInfo(y.name, 'float32', ['N', N])]), values: new Map() };
  const model = modelFrom(graph);
  const { model: small } = await dtypes[dtype].run(model, {}, { engine });
  const large = [...small.graph.initializers.values()].filter(({ bytes }) => bytes.length >= (K * N) / 2);
  expect(large).toHaveLength(1);
  const x = float32([2, K], noise(2 * K));
  expect(cosine(await answer(engine, small, { x }), await answer(engine, model, { x }))).toBeGreaterThan(0.97);
});
