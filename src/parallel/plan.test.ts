import { describe, expect, it } from 'vitest';
import { allReduceMs, messageMs, planParallel } from './plan.ts';

const link = { latencyUs: 100, gigabitsPerSecond: 8 };

describe('the alpha-beta model', () => {
  it('a message is latency plus bytes over bandwidth', () => {
    expect(messageMs(1e6, link)).toBeCloseTo(0.1 + 1);
  });

  it('a large all-reduce is a ring: twice the bytes, however many ranks', () => {
    const bytes = 1e9;
    // … and half of them added up, 4 GB a second.
    expect(allReduceMs(bytes, 2, link)).toBeCloseTo(2 * (0.1 + 500) + 125, 6);
    expect(allReduceMs(bytes, 64, link) / 2250).toBeCloseTo(63 / 64, 1);
  });

  it('a small one is a tree: latency times the depth', () => {
    expect(allReduceMs(4, 64, link)).toBeCloseTo(2 * 6 * 0.1, 3);
  });
});

describe('planParallel', () => {
  const input = {
    batch: 256,
    parameters: 1e6,
    slopesMs: [
      { samples: 64, ms: 110 },
      { samples: 256, ms: 410 },
    ],
    link,
  };

  it('one rank is what was measured', () => {
    const [plan] = planParallel({ ...input, updateMs: 5 }, 1);
    expect(plan).toMatchObject({ ranks: 1, replicas: 1, stages: 1, messagesMs: 0 });
    expect(plan!.stepMs).toBeCloseTo(415);
    expect(plan!.efficiency).toBeCloseTo(1);
  });

  it('what does not grow with the batch, and the messages, cost efficiency', () => {
    const [two] = planParallel(input, 2);
    const expected = 10 + (400 * 128) / 256 + allReduceMs(4e6, 2, link) + allReduceMs(8, 2, link);
    expect(two!.stepMs).toBeCloseTo(expected);
    expect(two!.efficiency).toBeCloseTo(410 / expected / 2);
    const efficiencies = [1, 2, 4, 8, 16, 32].map((ranks) => planParallel(input, ranks)[0]!.efficiency);
    expect([...efficiencies].sort((a, b) => b - a)).toEqual(efficiencies);
  });

  it('a slow link makes a pipeline of a model with many weights and a thin waist worth it', () => {
    const heavy = { ...input, parameters: 500e6, cutBytes: 1000, link: { gigabitsPerSecond: 1 } };
    expect(planParallel(heavy, 2)[0]!.stages).toBe(2);
    expect(planParallel({ ...heavy, parameters: 1e3 }, 2)[0]!.stages).toBe(1);
  });

  it('every plan uses all ranks, and a stage holds its part of the weights', () => {
    for (const { replicas, stages, bytesPerRank } of planParallel({ ...input, cutBytes: 1000 }, 12)) {
      expect(replicas * stages).toBe(12);
      expect(bytesPerRank).toBeGreaterThanOrEqual(16e6 / stages);
    }
  });

  it('splitting layers pays where its sums are cheap beside the work', () => {
    const split = { share: 0.9, sums: 2, sumBytes: 1000, most: 8 };
    const [fast] = planParallel({ ...input, parameters: 500e6, tensor: split }, 2);
    expect(fast!.tensor).toBe(2);
    expect(fast!.bytesPerRank).toBeCloseTo(16 * 500e6 * 0.55);
    const costly = planParallel({ ...input, parameters: 1e3, tensor: { ...split, sumBytes: 1e8 } }, 2);
    expect(costly[0]!.tensor).toBe(1);
  });

  it('refuses what cannot be', () => {
    expect(() => planParallel({ ...input, batch: 4 }, 8)).toThrow(/cannot be spread/);
    expect(() => planParallel({ ...input, slopesMs: [] }, 8)).toThrow(/measured/);
  });
});
