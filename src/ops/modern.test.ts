import { expect, it } from 'vitest';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from './builder.ts';
import { modernize } from './modern.ts';

/** y = x + w, with the weight listed among the inputs, as every weight was before IR version 4. */
function listed(ir: number): Model {
  const { g, finish } = draft();
  const y = g.Add(g.input('x', 'float32', [2]), g.constant(float32([2], [1, 2]), 'w'));
  const graph = finish([{ name: y.name, type: { kind: 'tensor', dtype: 'float32', dims: [2] } }]);
  const weight = { name: 'w', type: { kind: 'tensor', dtype: 'float32', dims: [2] } } as const;
  const inputs = [...graph.inputs, weight];
  return { ir, opsets: { '': 8 }, graph: { ...graph, inputs }, producer: { name: '', version: '' }, metadata: {} };
}

it('takes weights out of the inputs where the old version had to list them, and leaves defaults that may be replaced', () => {
  const inputs = (ir: number): string[] => modernize(listed(ir)).graph.inputs.map(({ name }) => name);
  expect(inputs(3)).toEqual(['x']);
  expect(inputs(4)).toEqual(['x', 'w']);
});
