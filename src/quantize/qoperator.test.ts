import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { float32, floats } from '../graph/tensor.ts';
import { chainLayers, conv2d, dense, flatten, maxPool2d, relu, residual, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { toQOperators } from './qoperator.ts';
import { quantize } from './quantize.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

it('gives what the pairs give, with integer operators and conversions at the ends only', async () => {
  const source = random(4, 'images');
  const images = Float32Array.from({ length: 32 * 3 * 64 }, () => source.normal());
  const data = inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [3, 8, 8], data: images } } });
  const net = sequential(
    [
      conv2d(8, 3, { pad: 'same' }),
      relu(),
      residual(chainLayers(conv2d(8, 3, { pad: 'same' }), relu())),
      maxPool2d(2),
      flatten(),
      dense(10),
      relu(),
      dense(4),
    ],
    { input: [3, 8, 8] },
  );
  const { model: pairs } = await quantize(net, { data }, { engine });
  const operators = toQOperators(pairs);
  const count = (op: string) => operators.graph.nodes.filter((node) => node.op === op).length;
  expect([count('QLinearConv'), count('QLinearAdd'), count('QGemm')]).toEqual([2, 1, 1]);
  expect([count('Conv'), count('Add'), count('QuantizeLinear')]).toEqual([0, 0, 1]);
  const x = float32([4, 3, 8, 8], images.slice(0, 4 * 192));
  using a = await engine.load(writeModel(pairs));
  using b = await engine.load(writeModel(operators));
  const [p, q] = [await a.run({ x }), await b.run({ x })].map((y) => floats(Object.values(y)[0]!));
  const most = p!.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  p!.forEach((v, i) => {
    expect(Math.abs(v - q![i]!)).toBeLessThan(0.02 * most);
  });
});
