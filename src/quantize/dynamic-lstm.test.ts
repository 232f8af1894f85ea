import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { checkGraph } from '../graph/check.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Attr, Graph, Node } from '../graph/model.ts';
import { float32, floats, int64, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { lstmClassifier } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { quantizeDynamic } from './dynamic.ts';
import { quantizeLstms } from './dynamic-lstm.ts';
import { settleWeights } from './settle-weights.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(3, 'lstm');
const x = float32(
  [8, 12, 16],
  Float32Array.from({ length: 8 * 12 * 16 }, () => source.normal()),
);

const random32 = (dims: readonly number[]): Tensor => {
  const own = random(5, dims.join());
  return float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => own.normal()),
  );
};
const node = (op: string, inputs: readonly string[], output: string, attrs: Record<string, Attr> = {}): Node => ({
  op,
  domain: '',
  name: '',
  inputs,
  outputs: [output],
  attrs,
});

describe('LSTMs on dynamic integers', () => {
  const model = lstmClassifier({ length: 12, features: 16, hidden: 32, classes: 5 });
  const answer = async (of: typeof model): Promise<Float32Array> => {
    using session = await engine.load(writeModel(of));
    return floats(Object.values(await session.run({ x }))[0]!);
  };

  it('answer nearly as the float ones do, from a fraction of the bytes', async () => {
    const { model: small, report } = await quantizeDynamic(model, {}, { engine });
    expect(small.graph.nodes.map(({ op }) => op)).toContain('DynamicQuantizeLSTM');
    expect(report.after.bytes).toBeLessThan(report.before.bytes / 2.5);
    const [a, b] = [await answer(small), await answer(model)];
    a.forEach((value, i) => {
      expect(Math.abs(value - b[i]!)).toBeLessThan(0.02);
    });
  });

  it('stay as they are where they are excluded', () => {
    const { replaced, kept } = quantizeLstms(model, { exclude: ['LSTM'] });
    expect([replaced, kept.map(({ why }) => why)]).toEqual([[], ['excluded']]);
  });

  it('inside a branch read weights that were put together there from constants, and stay in floats', async () => {
    const { g, finish } = draft();
    const flag = g.input('flag', 'bool', []);
    const x = g.input('x', 'float32', [12, 1, 4]);
    const parts = [6, 6, 12].map((rows) => g.constant(random32([rows, 4]), 'part'));
    const branch = (name: string): Graph => ({
      name,
      inputs: [],
      outputs: [{ name: `${name}_y`, type: { kind: 'tensor', dtype: 'float32' } }],
      initializers: new Map([[`${name}_axes`, int64([1], [0])]]),
      values: new Map(),
      nodes: [
        node(
          'Concat',
          parts.map((part) => part.name),
          `${name}_w`,
          { axis: { kind: 'int', value: 0 } },
        ),
        node('Unsqueeze', [`${name}_w`, `${name}_axes`], `${name}_W`),
        node('Unsqueeze', ['r', `${name}_axes`], `${name}_R`),
        node('LSTM', [x.name, `${name}_W`, `${name}_R`], `${name}_y`, { hidden_size: { kind: 'int', value: 6 } }),
      ],
    });
    const drawn = finish([valueInfo('y', 'float32', [12, 1, 1, 6])]);
    const choice = node('If', [flag.name], 'y', {
      then_branch: { kind: 'graph', value: branch('a') },
      else_branch: { kind: 'graph', value: branch('b') },
    });
    const initializers = new Map([...drawn.initializers, ['r', random32([24, 6])] as const]);
    for (const { name, dims } of parts) initializers.set(name, initializers.get(name) ?? random32(dims));
    const graph: Graph = { ...drawn, nodes: [choice], initializers };
    const model = modelFrom(graph);
    const settled = await settleWeights(model, { engine });
    checkGraph(settled);
    // W and R, each once though two branches make them.
    expect(settled.graph.initializers.size).toBe(2);
    expect(quantizeLstms(settled).kept.map(({ why }) => why)).toEqual(
      Array(2).fill('integers are slower inside a sub-graph'),
    );
    const answers = [];
    for (const each of [model, settled]) {
      using session = await engine.load(writeModel(each));
      answers.push(floats((await session.run({ x: random32([12, 1, 4]), flag: tensor('bool', [], [1]) }))['y']!));
    }
    expect(answers[1]).toEqual(answers[0]);
  });
});
