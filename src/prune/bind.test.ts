import { expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import type { Graph } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { bindGraph } from './bind.ts';

/** Down by a half and up again, beside what did not go: lengths must be even. */
function downAndUp(): Graph {
  const { g, finish } = draft();
  const kernel = (...dims: number[]) => g.constant(float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1))));
  const x = g.input('x', 'float32', [2, 3, 8]);
  const down = g.Conv(x, kernel(4, 3, 2), { strides: [2] });
  const up = g.ConvTranspose(down, kernel(4, 3, 2), { strides: [2] });
  const y = g.Concat(x, up, { axis: 1 });
  const graph = finish([valueInfo(y.name, 'float32', ['N', 6, 'T'])]);
  return { ...graph, inputs: [valueInfo('x', 'float32', ['N', 3, 'T'])], values: new Map() };
}

it('finds a length that comes back where a network goes down and up again', () => {
  const { inputs } = bindGraph(downAndUp());
  expect(inputs['x']![2]! % 2).toBe(0);
  expect(() => bindGraph(downAndUp(), { T: 7 })).toThrow(/axis 2 differs/);
});
