import { describe, expect, it } from 'vitest';
import { batchCount, batches, order } from './batches.ts';

describe('order', () => {
  it('is a permutation that only seed and epoch decide', () => {
    const one = order(50, { seed: 3, epoch: 2 });
    expect([...one].sort((p, q) => p - q)).toEqual([...order(50, { shuffle: false })]);
    expect(order(50, { seed: 3, epoch: 2 })).toEqual(one);
    expect(order(50, { seed: 3, epoch: 3 })).not.toEqual(one);
    expect(order(50, { seed: 4, epoch: 2 })).not.toEqual(one);
  });
});

describe('batches', () => {
  it('cuts the order into batches, the last one short or left out', () => {
    const all = [...batches(10, { batch: 4, seed: 1 })];
    expect(all.map((batch) => batch.length)).toEqual([4, 4, 2]);
    expect(all.flatMap((batch) => [...batch])).toEqual([...order(10, { seed: 1 })]);
    expect([...batches(10, { batch: 4, seed: 1, dropLast: true })].length).toBe(2);
    expect(batchCount(10, { batch: 4 })).toBe(3);
  });

  it('resumes in the middle with the batches that are left', () => {
    const options = { batch: 3, seed: 1, epoch: 4 };
    expect([...batches(10, { ...options, from: 2 })]).toEqual([...batches(10, options)].slice(2));
  });

  it('refuses a batch of nothing', () => {
    expect(() => [...batches(10, { batch: 0 })]).toThrow('positive whole number');
  });
});
