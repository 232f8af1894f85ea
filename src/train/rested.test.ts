import { describe, expect, it } from 'vitest';
import { float32, floats, isElsewhere, type Tensor } from '../graph/tensor.ts';
import { openShelf, rested, stretchOf } from './rested.ts';

const ramp = (dims: readonly number[], from: number): Tensor =>
  float32(
    dims,
    Array.from({ length: dims.reduce((n, dim) => n * dim, 1) }, (_, i) => from + i),
  );
const weights = (from: number) =>
  new Map([
    ['w', ramp([3, 4], from)],
    ['b', ramp([5], 100 + from)],
  ]);

describe.each([
  ['memory', 1e9],
  ['a file', 0],
])('weights that rest in %s', (where, few) => {
  it('are those of the last put', async () => {
    const shelf = await openShelf(weights(0), few);
    shelf.put(weights(0));
    const kept = shelf.put(weights(7));
    for (const [name, t] of weights(7)) {
      expect(floats(kept.get(name)!)).toEqual(floats(t));
      expect(isElsewhere(kept.get(name)!)).toBe(where === 'a file');
    }
    expect([...stretchOf(kept.get('w')!, 2, 5)]).toEqual([9, 10, 11]);
  });

  it('come piece by piece', async () => {
    const pieces = async function* () {
      yield Float32Array.of(1, 2, 3);
      yield Float32Array.of(4);
    };
    const here = Float32Array.of(9);
    const found = await rested(
      new Map([
        ['w', { dims: [2, 2], pieces }],
        ['b', { dims: [1], values: here, pieces }],
      ]),
      few,
    );
    expect([...floats(found.get('w')!)]).toEqual([1, 2, 3, 4]);
    expect([...floats(found.get('b')!)]).toEqual([9]);
  });
});
