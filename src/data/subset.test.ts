import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classesOf, type Dataset, inMemory } from './dataset.ts';
import { split, subset, take } from './subset.ts';

const numbered = (labels: number[]): Dataset =>
  inMemory({
    name: 'numbered',
    inputs: { x: { dtype: 'int32', dims: [], data: Int32Array.from(labels, (_, i) => i) } },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from(labels) },
  });
const contents = (set: Dataset | undefined): number[] => {
  if (!set) return [];
  const into = new Int32Array(set.size);
  set.fill(
    'x',
    Int32Array.from({ length: set.size }, (_, i) => i),
    into,
  );
  return [...into];
};

describe('subset', () => {
  it('is a view in the order given, also of a view', () => {
    const set = subset(subset(numbered([0, 1, 2, 3, 4]), [4, 2, 0]), [2, 0]);
    expect(contents(set)).toEqual([0, 4]);
    expect(contents(take(set, 1))).toEqual([0]);
    expect(take(set, 9)).toBe(set);
    expect(() => subset(set, [2])).toThrow('no sample 2');
    expect(() => set.fill('x', [2], new Int32Array(1))).toThrow();
  });
});

describe('split', () => {
  it('parts the samples: disjoint, complete, of the sizes asked for, the same for the same seed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3), { minLength: 3, maxLength: 60 }),
        fc.nat(1000),
        fc.boolean(),
        (labels, seed, stratified) => {
          const shares = { test: 0.2, validation: 0.15, seed, stratified };
          const { train, validation, test } = split(numbered(labels), shares);
          const all = [train, validation, test].flatMap(contents);
          expect([...all].sort((p, q) => p - q)).toEqual(labels.map((_, i) => i));
          expect(test!.size).toBe(Math.max(1, Math.round(0.2 * labels.length)));
          const again = split(numbered(labels), shares);
          expect([again.train, again.validation, again.test].flatMap(contents)).toEqual(all);
        },
      ),
    );
  });

  it('keeps the shares of the classes within one sample', () => {
    const labels = [...Array(70).fill(0), ...Array(20).fill(1), ...Array(10).fill(2)];
    const { test } = split(numbered(labels), { test: 0.3, seed: 5 });
    const counts = [0, 0, 0];
    for (const label of classesOf(test!)) counts[label]!++;
    for (const [label, share] of [21, 6, 3].entries()) expect(Math.abs(counts[label]! - share)).toBeLessThanOrEqual(1);
  });

  it('refuses shares that leave nothing to train on', () => {
    expect(() => split(numbered([0, 1, 2]), { test: 1 })).toThrow('cannot be split');
    expect(() => split(numbered([0]), { test: 0.5 })).toThrow('cannot be split');
  });
});
