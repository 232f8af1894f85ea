import { expect, it } from 'vitest';
import { elsewhere, floats, isElsewhere, pieces, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { gather } from '../../prune/gather.ts';
import { partView } from './part-view.ts';

/** [rows, columns, 2] of growing numbers, which are made when they are read. */
function growing(dims: readonly number[]): Tensor {
  return elsewhere('float32', dims, (into, at) => {
    const numbers = new Float32Array(into.length / 4).map((_, i) => at / 4 + i);
    into.set(new Uint8Array(numbers.buffer));
  });
}

const every = (size: number, nth: number, first = 0): number[] =>
  Array.from({ length: Math.ceil((size - first) / nth) }, (_, i) => first + nth * i);

it.each([
  ['rows', [1100, 1000, 2], [every(550, 1, 275), undefined, undefined]],
  ['columns', [1100, 1000, 2], [undefined, every(500, 1), undefined]],
  ['columns here and there', [1100, 1000, 2], [undefined, every(1000, 3), undefined]],
  ['both', [1100, 1000, 2], [every(1100, 2), every(1000, 1, 500), undefined]],
] as const)('a view of %s is what gathering them gives', (_, dims, kept) => {
  const whole = growing(dims);
  const view = partView(whole, kept);
  expect(isElsewhere(view)).toBe(true);
  const truth = floats(gather({ ...whole, bytes: whole.bytes }, kept));
  expect(sizeOf(view.dims)).toBe(truth.length);
  let at = 0;
  for (const piece of pieces(view)) {
    const numbers = new Float32Array(piece.buffer, piece.byteOffset, piece.byteLength / 4);
    expect(Buffer.compare(piece, new Uint8Array(truth.buffer, 4 * at, piece.length))).toBe(0);
    at += numbers.length;
  }
  expect(at).toBe(truth.length);
});
