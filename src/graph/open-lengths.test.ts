import { expect, it } from 'vitest';
import type { Graph } from './model.ts';
import { lengthChoices } from './open-lengths.ts';
import { int64 } from './tensor.ts';

const graph: Graph = {
  name: 'baked',
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: new Map([['shape', int64([3], [14, -1, 8])]]),
  values: new Map(),
};
const tried = (...symbols: string[]) => [...lengthChoices(graph, symbols, [1])];

it('tries what is given, then the lengths that shape constants name', () => {
  expect(tried('T').slice(0, 3)).toEqual([{ T: 1 }, { T: 14 }, { T: 8 }]);
});

it('tries lengths that two convolutions of 3 with a stride of 2 leave 14 of, with padding and without', () => {
  const conv = (length: number, padding: number): number => Math.floor((length + 2 * padding - 3) / 2) + 1;
  for (const padding of [0, 1])
    expect(tried('T').some(({ T }) => T! > 14 && conv(conv(T!, padding), padding) === 14)).toBe(true);
});

it('tries pairs where two symbols are open', () => {
  expect(tried('T', 'S')).toContainEqual({ T: 14, S: 8 });
  expect(tried('T', 'S')).toContainEqual({ T: 8, S: 14 });
});

it('has one choice where no symbol is open', () => {
  expect(tried()).toEqual([{}]);
});
