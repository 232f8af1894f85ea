import { expect, it } from 'vitest';
import { type Dataset, inMemory } from '../data/index.ts';
import { withCopies } from './copies.ts';

const [N, SIDE] = [5, 14];
const images = (): Dataset =>
  inMemory({
    name: 'images',
    inputs: {
      x: { dtype: 'float32', dims: [1, SIDE, SIDE], data: Float32Array.from({ length: N * SIDE * SIDE }, (_, i) => i) },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: N }, (_, i) => i) },
  });
const read = (set: Dataset, indices: number[], column = 'x', width = SIDE * SIDE): Float32Array => {
  const into = new Float32Array(indices.length * width);
  set.fill(column, indices, into);
  return into;
};

it('holds the samples as they are, then changed copies with the same labels', () => {
  const set = withCopies(images(), 'shift', 2, 3);
  expect(set.size).toBe(3 * N);
  const all = Array.from({ length: N }, (_, i) => i);
  expect(read(set, all)).toEqual(read(images(), all));
  expect(read(set, [4, N + 4, 2 * N + 4], 'labels', 1)).toEqual(Float32Array.of(4, 4, 4));
  const copies = all.map((i) => read(set, [N + i]));
  expect(copies).not.toEqual(all.map((i) => read(images(), [i])));
  // a shift of at most a pixel leaves the middle within a row and a column
  for (const [i, copy] of copies.entries()) {
    const middle = (i * SIDE + SIDE / 2) * SIDE + SIDE / 2;
    expect(Math.abs(copy[(SIDE / 2) * SIDE + SIDE / 2]! - middle)).toBeLessThanOrEqual(SIDE + 1);
  }
});

it('is the same for the same seed, whatever is read together', () => {
  const [one, two] = [withCopies(images(), 'flip', 1, 7), withCopies(images(), 'flip', 1, 7)];
  const width = SIDE * SIDE;
  expect(read(two, [N + 2])).toEqual(read(one, [0, N + 2]).subarray(width));
});

it('refuses what is no image', () => {
  const x = { dtype: 'float32', dims: [3], data: new Float32Array(6) } as const;
  const table = inMemory({ name: 'table', inputs: { x } });
  expect(() => withCopies(table, 'shift', 1)).toThrow(expect.objectContaining({ code: 'data/augment' }));
});
