import { expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import { float32, tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { parametersOf } from './parameters.ts';

it.each([
  [2, 8],
  [4, 16],
  [8, 32],
])('counts weights of %d bits, not the bytes that they lie in', (bits, bytes) => {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [1, 40]);
  // 40 weights a row lie in two blocks of 32.
  const codes = g.constant(tensor('uint8', [3, 2, bytes], new Uint8Array(6 * bytes)));
  const scales = g.constant(float32([6], new Float32Array(6)));
  const [y] = g.emit(
    'MatMulNBits',
    [x, codes, scales],
    { K: 40, N: 3, bits, block_size: 32 },
    { domain: 'com.microsoft' },
  );
  const table = g.constant(tensor('uint8', [10, (32 * bits) / 8], new Uint8Array((10 * 32 * bits) / 8)));
  const steps = g.constant(float32([10, 1], new Float32Array(10)));
  const ids = g.input('ids', 'int64', [2]);
  const attrs = { bits, block_size: 32, gather_axis: 0, quantize_axis: 1 };
  const [z] = g.emit('GatherBlockQuantized', [table, ids, steps], attrs, { domain: 'com.microsoft' });
  const graph = finish([valueInfo(y!.name, 'float32', [1, 3]), valueInfo(z!.name, 'float32', [2, 32])]);
  expect(parametersOf(graph)).toBe(3 * 40 + 6 + 10 * 32 + 10);
});

it('counts indices and shapes as nothing, and what lies in branches once', () => {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', [4]);
  const then = g.body([], (b) => [b.Mul(x, b.constant(float32([4], [1, 2, 3, 4])))]);
  const otherwise = g.body([], (b) => [b.Identity(x)]);
  const condition = g.input('c', 'bool', []);
  const [y] = g.emit('If', [condition], { then_branch: then, else_branch: otherwise });
  const out = g.Reshape(y!, g.ints([2, 2]));
  expect(parametersOf(finish([valueInfo(out.name, 'float32', [2, 2])]))).toBe(4);
});
