/** The forms that the engine runs fastest give the slopes of the plain ones. */

import { describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import type { Model } from '../graph/model.ts';
import { elements, floats, type Tensor, tensor, zeros } from '../graph/tensor.ts';
import { chainLayers, sequential } from '../nn/layer.ts';
import {
  averagePool2d,
  batchNorm,
  classifier,
  conv2d,
  flatten,
  maxPool2d,
  relu,
  residual,
  tanh,
} from '../nn/layers.ts';
import { openEngine } from '../runtime/index.ts';
import { crossEntropy } from './loss/cross-entropy.ts';
import { engineBytes, stepGraph } from './program.ts';

const normed = (filters: number, options: Parameters<typeof conv2d>[2] = {}) =>
  chainLayers(conv2d(filters, 3, { pad: 'same', bias: false, ...options }), batchNorm());

/** Smooth, so that a rounding error moves no unit across the kink of a ReLU. */
const smooth: Record<string, () => Model> = {
  'residual blocks with batch normalisation': () =>
    sequential(
      [
        normed(16),
        tanh(),
        residual(chainLayers(normed(16), tanh(), normed(16))),
        tanh(),
        residual(
          chainLayers(normed(32, { stride: 2 }), tanh(), normed(32)),
          chainLayers(conv2d(32, 1, { stride: 2, bias: false }), batchNorm()),
        ),
        tanh(),
        averagePool2d(4),
        flatten(),
        classifier(5),
      ],
      { input: [3, 8, 8] },
    ),
  'biases, strides and dilations': () =>
    sequential(
      [
        conv2d(16, 5, { stride: 2, pad: 2 }),
        tanh(),
        conv2d(32, 3, { dilation: 2, pad: 'same' }),
        tanh(),
        conv2d(16, 1),
        conv2d(8, 3, { stride: 2 }),
        flatten(),
        classifier(4),
      ],
      { input: [8, 14, 11] },
    ),
  'pools between': () =>
    sequential([conv2d(16, 3), maxPool2d(2), tanh(), conv2d(32, 3), tanh(), maxPool2d(2), flatten(), classifier(3)], {
      input: [1, 14, 14],
    }),
  rectified: () => sequential([conv2d(32, 3), relu(), maxPool2d(2), flatten(), classifier(3)], { input: [16, 9, 9] }),
};

async function slopesOf(model: Model, blockSize: number, feeds: Record<string, Tensor>) {
  using engine = await openEngine({ threads: 1 });
  const step = stepGraph(model, { loss: crossEntropy(), batch: 4 }, { blockSize });
  using session = await engine.load(engineBytes(step.graph), { optimize: 'none' });
  const named = new Set(session.inputs.map(({ name }) => name));
  const weights = [...step.form.weights].filter(([name]) => named.has(name));
  const results = await session.run({ ...feeds, ...Object.fromEntries(weights) });
  return {
    loss: floats(results[step.lossName]!)[0]!,
    slopes: new Map([...step.slopes].map(([name, output]) => [name, floats(results[output]!)])),
    blocked: step.graph.nodes.filter(({ domain }) => domain === 'com.microsoft.nchwc').length,
    states: [...step.form.state].map(([, output]) => floats(results[output]!)),
  };
}

describe('a step in the blocked layout', () => {
  for (const [name, make] of Object.entries(smooth)) {
    it(`${name}: the slopes of the plain step`, async (context) => {
      using engine = await openEngine({ threads: 1 });
      if (engine.blockSize === 0) context.skip('this engine has no blocked layout');
      const model = make();
      const type = model.graph.inputs[0]!.type as { dims: readonly number[] };
      const x = zeros('float32', [4, ...type.dims.slice(1)]);
      const source = random(3, name);
      const values = elements(x) as Float32Array;
      for (let i = 0; i < values.length; i++) values[i] = source.normal();
      const feeds = { x, labels: tensor('int64', [4], [0, 1, 2, 1]) };
      const [blocked, plain] = [await slopesOf(model, engine.blockSize, feeds), await slopesOf(model, 0, feeds)];
      expect(blocked.blocked).toBeGreaterThan(2);
      expect(plain.blocked).toBe(0);
      expect(blocked.loss).toBeCloseTo(plain.loss, 5);
      blocked.states.forEach((state, i) => {
        for (const [k, value] of state.entries()) expect(value).toBeCloseTo(plain.states[i]![k]!, 5);
      });
      for (const [weight, slope] of blocked.slopes) {
        const other = plain.slopes.get(weight)!;
        const most = other.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        const worst = slope.reduce((m, v, i) => Math.max(m, Math.abs(v - other[i]!)), 0);
        expect(worst, weight).toBeLessThan(1e-4 * Math.max(most, 1e-3));
      }
    });
  }
});
