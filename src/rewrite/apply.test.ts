import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../test/run.ts';
import { checkGraph } from '../graph/check.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { float32, floats, type Tensor, tensor } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelOf } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { toleranceOf } from './checked.ts';
import { applyRules, difference, foldBatchNorm, foldConstants, rewrite, rewriteChecked, simplify } from './index.ts';
import { any, node } from './pattern.ts';
import { rule, sampleModel } from './rule.ts';
import { batchNorm, values } from './sample.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const built = (build: (g: Builder) => StaticValue | readonly StaticValue[]): Model =>
  sampleModel({ about: 'test', build });
const ops = (model: Model): string[] => model.graph.nodes.map(({ op }) => op);

/** y = If(c) then v + v else v · v, where v is a value of the graph around. */
const withIf = (model: Model, v: string): Model => {
  const inner = (op: string): Graph => ({
    name: op,
    nodes: [{ op, domain: '', name: '', inputs: [v, v], outputs: [`${op}_y`], attrs: {} }],
    inputs: [],
    outputs: [{ name: `${op}_y`, type: { kind: 'tensor', dtype: 'float32' } }],
    initializers: new Map(),
    values: new Map(),
  });
  const choice: Node = {
    op: 'If',
    domain: '',
    name: 'choice',
    inputs: ['c'],
    outputs: ['chosen'],
    attrs: {
      then_branch: { kind: 'graph', value: inner('Add') },
      else_branch: { kind: 'graph', value: inner('Mul') },
    },
  };
  const { graph } = model;
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [...graph.nodes, choice],
      inputs: [...graph.inputs, { name: 'c', type: { kind: 'tensor', dtype: 'bool', dims: [] } }],
      outputs: [...graph.outputs, { name: 'chosen', type: { kind: 'tensor', dtype: 'float32' } }],
    },
  };
};

const x = float32(
  [1, 2, 3, 3],
  Float32Array.from({ length: 18 }, (_, i) => Math.sin(i)),
);

describe('what a sub-graph reads', () => {
  it('stays, and the report says so', async () => {
    const model = withIf(
      built((g) => g.Relu(g.Identity(g.Neg(g.input('x', 'float32', [1, 2, 3, 3]))))),
      'Identity_out',
    );
    const { model: now, report } = simplify(model);
    checkGraph(now);
    expect(ops(now)).toContain('Identity');
    expect(report.missed).toContainEqual({
      rule: 'drop-identity',
      node: 'Identity',
      why: 'a sub-graph reads "Identity_out"',
    });
    for (const c of [0, 1]) {
      const feeds = { x, c: tensor('bool', [], [c]) };
      expect(difference(await run(engine, now, feeds), await run(engine, model, feeds))).toBe(0);
    }
  });

  it('is no middle of a fold', async () => {
    const model = withIf(
      built((g) => batchNorm(g, g.Conv(g.input('x', 'float32', [1, 2, 3, 3]), values(g, [2, 2, 1, 1])))),
      'Conv_out',
    );
    const { report } = foldBatchNorm(model);
    expect(report.fired).toEqual([]);
    expect(report.missed[0]?.why).toBe('"Conv_out" is read by a sub-graph');
  });

  it('may be the end of a fold, whose name lives on', async () => {
    const model = withIf(
      built((g) => batchNorm(g, g.Conv(g.input('x', 'float32', [1, 2, 3, 3]), values(g, [2, 2, 1, 1])))),
      'BatchNormalization_out',
    );
    const { model: now, report } = foldBatchNorm(model);
    checkGraph(now);
    expect(report.fired).toHaveLength(1);
    const feeds = { x, c: tensor('bool', [], [1]) };
    expect(difference(await run(engine, now, feeds), await run(engine, model, feeds))).toBeLessThan(1e-6);
  });
});

describe('names', () => {
  it('of weights live on where nobody else reads them', () => {
    const { model } = foldBatchNorm(
      built((g) => batchNorm(g, g.Conv(g.input('x', 'float32', [1, 2, 3, 3]), values(g, [2, 2, 1, 1])))),
    );
    const [conv] = model.graph.nodes;
    expect(conv).toMatchObject({ name: 'Conv', outputs: ['BatchNormalization_out'] });
    expect([...model.graph.initializers.keys()]).toEqual([conv!.inputs[1], conv!.inputs[2]]);
    expect(conv!.inputs[1]).toBe('w');
  });

  it('of initialisers leave the inputs of an old file', () => {
    const model = built((g) => g.Add(g.input('x', 'float32', [2]), values(g, [2])));
    const [name] = [...model.graph.initializers.keys()];
    const listed = { name: name!, type: { kind: 'tensor', dtype: 'float32', dims: [2] } } as const;
    const inputs = [...model.graph.inputs, listed];
    const old = { ...model, ir: 3, opsets: { '': 9 }, graph: { ...model.graph, inputs } };
    expect(simplify(old).model.graph.inputs.map((info) => info.name)).toEqual(['x']);
    // From IR version 4 on they are there to be replaced.
    const young = simplify({ ...old, ir: 4 }).model;
    expect(young.graph.inputs.map((info) => info.name)).toEqual(['x', name]);
  });
});

it('reports BatchNormalization that learns', () => {
  const model = built((g) => {
    const y = g.Conv(g.input('x', 'float32', [1, 2, 3, 3]), values(g, [2, 2, 1, 1]));
    const v = (seed: number): StaticValue => values(g, [2], seed);
    return g.emit('BatchNormalization', [y, v(1), v(2), v(3), v(4)], { training_mode: 1 }, { outputs: 3 })[0]!;
  });
  expect(foldBatchNorm(model).report.missed).toEqual([
    { rule: 'fold-batch-norm', node: 'BatchNormalization', why: 'it is in training mode' },
  ]);
});

it('names two rules that undo each other', () => {
  const turn = (from: string, to: string) =>
    rule({
      name: `${from}-to-${to}`,
      about: 'never ends',
      pattern: node(from, [any('x')]),
      check: () => undefined,
      rewrite: (match, edit) => ({ outputs: [edit.emit(to, [match.values.x!])], why: 'for a test' }),
      samples: [],
    });
  const model = built((g) => g.Relu(g.input('x', 'float32', [2])));
  expect(() => applyRules(model, [turn('Relu', 'Neg'), turn('Neg', 'Relu')])).toThrow(/Relu-to-Neg, Neg-to-Relu/);
});

it('leaves a model alone in which nothing is found', () => {
  const model = built((g) => g.Relu(g.Neg(g.input('x', 'float32', [2]))));
  const { model: now, report } = simplify(model);
  expect(now).toEqual(model);
  expect(report).toEqual({ fired: [], missed: [] });
});

describe('foldConstants', () => {
  const evaluate = (part: Model): Promise<Record<string, Tensor>> => run(engine, part, {});

  it('computes what depends on constants only', async () => {
    const model = built((g) =>
      g.Mul(g.input('x', 'float32', [2]), g.Exp(g.Add(values(g, [2]), g.Sqrt(g.constant(float32([], [4])))))),
    );
    const { model: now, report } = await foldConstants(model, evaluate);
    checkGraph(now);
    expect(ops(now)).toEqual(['Mul']);
    expect(report.fired.map(({ node: name }) => name)).toEqual(['Exp']);
    const [w] = [...model.graph.initializers.values()];
    const [folded] = [...now.graph.initializers.values()];
    const expected = [...floats(w!)].map((value) => Math.exp(value + 2));
    for (const [i, value] of [...floats(folded!)].entries()) expect(value / expected[i]!).toBeCloseTo(1, 6);
  });

  it('does not make the file grow', async () => {
    const model = built((g) => g.Add(g.input('x', 'float32', [200, 200]), g.Expand(values(g, [200]), [200, 200])));
    const { model: now, report } = await foldConstants(model, evaluate);
    expect(ops(now)).toEqual(['Expand', 'Add']);
    expect(report.missed[0]?.why).toBe('its result takes 160000 bytes, the constants that fall away 816');
    const grown = await foldConstants(model, evaluate, { maxGrowthBytes: 200_000 });
    expect(ops(grown.model)).toEqual(['Add']);
  });

  it('keeps a weight once that changes alike for all who read it', () => {
    const repeated = built((g) => {
      const W = values(g, [8, 8]);
      const half = (v: StaticValue) => g.MatMul(g.Mul(g.Tanh(v), 0.5), W);
      return half(half(half(g.input('x', 'float32', [2, 8]))));
    });
    const { graph } = simplify(repeated).model;
    expect(graph.nodes.some(({ op }) => op === 'Mul')).toBe(false);
    expect([...graph.initializers.values()].filter(({ dims }) => dims.length === 2)).toHaveLength(1);
  });

  it('does not store a weight twice that another node reads as it lies', async () => {
    const tied = built((g) => {
      const E = values(g, [40, 50]);
      const x = g.Gather(E, g.input('ids', 'int64', [3]));
      return g.MatMul(x, g.Transpose(E, { perm: [1, 0] }));
    });
    expect(ops((await foldConstants(tied, evaluate)).model)).toEqual(['Gather', 'Transpose', 'MatMul']);
    expect(ops(simplify(tied).model)).toEqual(['Gather', 'Transpose', 'MatMul']);
    const normed = built((g) => {
      const v = values(g, [40, 50]);
      return g.MatMul(g.input('x', 'float32', [3, 40]), g.Div(v, g.ReduceL2(v, [0], { keepdims: 1 })));
    });
    expect(ops((await foldConstants(normed, evaluate)).model)).toEqual(['MatMul']);
  });

  it('keeps quantised weights as integers', async () => {
    const model = built((g) => {
      const codes = g.constant(tensor('int8', [2], [1, -2]));
      return g.Add(g.input('x', 'float32', [2]), g.DequantizeLinear(codes, g.constant(float32([], [0.5]))));
    });
    expect(ops((await foldConstants(model, evaluate)).model)).toEqual(['DequantizeLinear', 'Add']);
  });
});

describe('rewriteChecked', () => {
  const feeds = { x: float32([2], [1, -2]) };
  const model = built((g) => g.Relu(g.Identity(g.Neg(g.input('x', 'float32', [2])))));
  const wrong = rule({
    name: 'wrong',
    about: 'drops what matters',
    pattern: node('Neg', [any('x')]),
    check: () => undefined,
    rewrite: ({ values: found }) => ({ outputs: [found.x], why: 'for a test' }),
    samples: [],
  });

  it('takes back a rule that changes the outputs, and keeps the others', async () => {
    const checked = await rewriteChecked(model, { run: (now) => run(engine, now, feeds) }, [wrong, 'drop-identity']);
    expect(ops(checked.model)).toEqual(['Neg', 'Relu']);
    expect(checked.reverted.map(({ rule: name }) => name)).toEqual(['wrong']);
    expect(checked.relativeError).toBe(0);
    expect(checked.report.fired.map(({ rule: name }) => name)).toEqual(['drop-identity']);
  });

  it('gives what rewrite gives where all is well', async () => {
    const checked = await rewriteChecked(model, { run: (now) => run(engine, now, feeds) });
    expect(checked.model).toEqual(rewrite(model).model);
    expect(checked.reverted).toEqual([]);
  });
});

describe('toleranceOf', () => {
  it('is what rounding to the narrowest weights moves', () => {
    const holding = (dtype: 'float32' | 'float16' | 'bfloat16'): Model => {
      const weight = tensor(dtype, [1], dtype === 'float32' ? [1] : Uint16Array.of(1));
      const { g, finish } = draft();
      return modelOf({ finish }, g.Identity(g.constant(weight)));
    };
    expect((['float32', 'float16', 'bfloat16'] as const).map((dtype) => toleranceOf(holding(dtype)))).toEqual([
      1e-4,
      2 ** -9,
      2 ** -6,
    ]);
  });
});

describe('difference', () => {
  it('is relative to the largest magnitude', () => {
    expect(difference({ y: float32([2], [1, 4.5]) }, { y: float32([2], [1, 4]) })).toBe(0.125);
  });
  it('is infinite where shapes, types or numbers are no match', () => {
    const y = float32([2], [1, 4]);
    expect(difference({}, { y })).toBe(Number.POSITIVE_INFINITY);
    expect(difference({ y: float32([1, 2], [1, 4]) }, { y })).toBe(Number.POSITIVE_INFINITY);
    expect(difference({ y: float32([2], [1, Number.NaN]) }, { y })).toBe(Number.POSITIVE_INFINITY);
    expect(difference({ y: tensor('int64', [1], [1]) }, { y: tensor('int64', [1], [2]) })).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
  it('lets equal infinities pass', () => {
    const y = float32([2], [Number.NEGATIVE_INFINITY, 1]);
    expect(difference({ y }, { y })).toBe(0);
  });
});
