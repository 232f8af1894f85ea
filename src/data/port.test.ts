import { expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import type { Graph } from '../graph/model.ts';
import { batchDims, bind, inMemory, portsOf } from './index.ts';
import { noise } from './noise.ts';

const graph: Graph = {
  name: 'recurrent',
  nodes: [],
  inputs: [
    valueInfo('x', 'float32', ['batch', 'length']),
    valueInfo('state', 'float32', [2, 'batch', 3]),
    valueInfo('sr', 'int64', []),
  ],
  outputs: [],
  initializers: new Map(),
  values: new Map(),
};

const steps = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i);

it.each([{ dims: [2, 3] }, { dims: [2, 1, 3] }])(
  'lays states [$dims] of samples along the batch axis that the model has behind its layers',
  ({ dims }) => {
    const data = inMemory({
      name: 'steps',
      inputs: {
        x: { dtype: 'float32', dims: [4], data: steps(8) },
        state: { dtype: 'float32', dims, data: steps(12) },
      },
    });
    const bound = bind(data, portsOf(graph));
    expect(batchDims(bound.inputs['state']!, 2)).toEqual([2, 2, 3]);
    const both = new Float32Array(12);
    bound.fill('state', [0, 1], both);
    // [layer, sample, width]
    expect([...both]).toEqual([0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]);
    const one = new Float32Array(6);
    bound.fill('state', [1], one);
    expect([...one]).toEqual([6, 7, 8, 9, 10, 11]);
    const x = new Float32Array(8);
    bound.fill('x', [1, 0], x);
    expect([...x]).toEqual([4, 5, 6, 7, 0, 1, 2, 3]);
  },
);

it('draws states in the same way: a sample is the same in any batch', () => {
  const data = noise(portsOf(graph), { dims: { length: 4 } });
  expect(batchDims(data.inputs['state']!, 5)).toEqual([2, 5, 3]);
  const [pair, alone] = [new Float32Array(12), new Float32Array(6)];
  data.fill('state', [7, 8], pair);
  data.fill('state', [8], alone);
  expect([...pair.slice(3, 6), ...pair.slice(9, 12)]).toEqual([...alone]);
});
