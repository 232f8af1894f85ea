import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dataset, inMemory } from '../data/index.ts';
import { FEWEST, partsOf } from './parts.ts';

/** A set whose samples are their own numbers. */
const numbered = (size: number, from = 0): Dataset =>
  inMemory({
    name: 'numbered',
    inputs: { x: { dtype: 'float32', dims: [], data: Float32Array.from({ length: size }, (_, i) => from + i) } },
  });

const samplesOf = (set: Dataset): number[] => {
  const into = new Float32Array(set.size);
  set.fill(
    'x',
    Int32Array.from({ length: set.size }, (_, i) => i),
    into,
  );
  return [...into];
};

describe('the parts of the data', () => {
  it('are disjoint, together the whole, and none is empty', () => {
    fc.assert(
      fc.property(fc.integer({ min: FEWEST, max: 3000 }), fc.nat(5), (size, seed) => {
        const parts = Object.values(partsOf({ train: numbered(size) }, seed)!);
        const all = parts.flatMap(samplesOf);
        expect(all.sort((a, b) => a - b)).toEqual(samplesOf(numbered(size)));
        expect(Math.min(...parts.map((part) => part.size))).toBeGreaterThan(0);
      }),
      { numRuns: 40 },
    );
  });

  it('take a test set for evaluation and a validation set for search and selection', () => {
    const splits = { train: numbered(100), validation: numbered(20, 1000), test: numbered(30, 2000) };
    const { learn, search, selection, evaluation } = partsOf(splits)!;
    expect(samplesOf(learn)).toEqual(samplesOf(splits.train));
    expect(samplesOf(evaluation)).toEqual(samplesOf(splits.test));
    expect([...samplesOf(search), ...samplesOf(selection)].sort((a, b) => a - b)).toEqual(samplesOf(splits.validation));
  });

  it('judge on nothing that was learnt, where a test set is large enough to be divided', () => {
    const splits = { train: numbered(100), test: numbered(1200, 1000) };
    const { learn, search, selection, evaluation } = partsOf(splits)!;
    expect(samplesOf(learn)).toEqual(samplesOf(splits.train));
    expect([search.size, selection.size, evaluation.size]).toEqual([300, 300, 600]);
    const judged = [search, selection, evaluation].flatMap(samplesOf);
    expect(judged.sort((a, b) => a - b)).toEqual(samplesOf(splits.test));
  });

  it('are none of too few samples', () => {
    expect(partsOf({ train: numbered(FEWEST - 1) })).toBeUndefined();
  });
});
