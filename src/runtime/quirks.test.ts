import { expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { openEngine } from './index.ts';
import { loadModel } from './load-model.ts';
import { withBiases } from './quirks.ts';

/** Two heads over five places of eight channels. */
function attention(bias?: Float32Array): Model {
  const weight = float32(
    [8, 24],
    Float32Array.from({ length: 192 }, (_, i) => Math.sin(i)),
  );
  const node = { op: 'Attention', domain: 'com.microsoft', name: '', outputs: ['y'] };
  const num_heads = { kind: 'int', value: 2 } as const;
  return {
    ir: 8,
    opsets: { '': 17, 'com.microsoft': 1 },
    producer: { name: 'test', version: '' },
    metadata: {},
    graph: {
      name: 'attention',
      nodes: [{ ...node, inputs: ['x', 'w', ...(bias ? ['b'] : [])], attrs: { num_heads } }],
      inputs: [valueInfo('x', 'float32', [1, 5, 8])],
      outputs: [valueInfo('y', 'float32', [1, 5, 8])],
      initializers: new Map([['w', weight], ...(bias ? [['b', float32([24], bias)] as const] : [])]),
      values: new Map(),
    },
  };
}

it('attention without a bias runs as with zeros, and does not end the process', async () => {
  using engine = await openEngine({ threads: 1 });
  const x = float32(
    [1, 5, 8],
    Float32Array.from({ length: 40 }, (_, i) => Math.cos(i)),
  );
  using bare = await loadModel(engine, attention());
  using zeroed = await loadModel(engine, attention(new Float32Array(24)));
  expect(await bare.run({ x })).toEqual(await zeroed.run({ x }));
});

it('leaves a model alone that has its biases', () => {
  const model = attention(new Float32Array(24));
  expect(withBiases(model)).toBe(model);
});
