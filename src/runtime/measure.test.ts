import { describe, expect, it } from 'vitest';
import { fastest, measure, quantile } from './measure.ts';

/** A clock that only the cases move. */
const fakeClock = () => {
  let time = 0;
  const spend = (ms: number): void => {
    time += ms;
  };
  return { now: () => time, spend };
};

describe('measure', () => {
  it('reports time per call, and ratios to the first case', async () => {
    const { now, spend } = fakeClock();
    const [slow, fast] = await measure(
      [
        { name: 'slow', run: () => spend(8) },
        { name: 'fast', run: async () => spend(2) },
      ],
      { rounds: 5, now },
    );
    expect(slow).toMatchObject({ name: 'slow', p50Ms: 8, p95Ms: 8, minMs: 8, inner: 1, ratio: 1 });
    expect(fast).toMatchObject({ name: 'fast', p50Ms: 2, ratio: 0.25, ratioLow: 0.25, ratioHigh: 0.25 });
    expect(fast!.samplesMs).toHaveLength(5);
  });

  it('repeats short runs until a sample lasts long enough', async () => {
    const { now, spend } = fakeClock();
    const [tiny] = await measure([{ name: 'tiny', run: () => spend(2 ** -6) }], { minMs: 1, now });
    expect(tiny!.inner).toBe(64);
    expect(tiny!.p50Ms).toBe(2 ** -6);
  });

  it('gives the true ratio on a machine that slows down meanwhile', async () => {
    const { now, spend } = fakeClock();
    let calls = 0;
    const drift = (ms: number) => () => spend(ms * 1.5 ** Math.floor(calls++ / 2));
    const [, half] = await measure(
      [
        { name: 'a', run: drift(8) },
        { name: 'b', run: drift(4) },
      ],
      { rounds: 20, warmup: 0, minMs: 0, now },
    );
    expect(half!.ratio).toBeCloseTo(0.5, 12);
  });

  it('compares the fastest samples where other programs disturb most of them', async () => {
    const { now, spend } = fakeClock();
    let calls = 0;
    const disturbed = (ms: number, every: number) => () => spend(calls++ % every === 0 ? ms : ms * 5);
    const [, half] = await measure(
      [
        { name: 'a', run: disturbed(8, 3) },
        { name: 'b', run: disturbed(4, 5) },
      ],
      { rounds: 40, warmup: 0, minMs: 0, now },
    );
    expect(half).toMatchObject({ ratio: 0.5, isDisturbed: true });
  });

  it('times every case once a round, each as often at each place', async () => {
    const { now, spend } = fakeClock();
    const order: string[] = [];
    const run = (name: string) => () => {
      order.push(name);
      spend(2);
    };
    await measure(
      [
        { name: 'a', run: run('a') },
        { name: 'b', run: run('b') },
        { name: 'c', run: run('c') },
      ],
      { rounds: 3, warmup: 0, minMs: 0, now },
    );
    expect(order.slice(6).join('')).toBe('abcbcacab'); // the first six chose the number of calls, two tries each
  });

  it('never spins forever on a clock that stands still', async () => {
    const [still] = await measure([{ name: 'still', run: () => {} }], { rounds: 1, now: () => 0 });
    expect(still!.p50Ms).toBe(0);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(measure([{ name: 'a', run: () => {} }], { signal })).rejects.toMatchObject({ code: 'work/aborted' });
  });
});

describe('quantile', () => {
  it('interpolates between the sorted values', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([4, 1, 3, 2], 0)).toBe(1);
    expect(quantile([4, 1, 3, 2], 1)).toBe(4);
    expect(quantile([7], 0.95)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('fastest', () => {
  it('is the least sample that another comes near to: one alone far below is no time', () => {
    expect(fastest([3, 2, 2.1, 5])).toBe(2);
    expect(fastest([3, 2, 0.05, 2.1, 5])).toBe(2);
    expect(fastest([1, 2, 4, 8])).toBe(1);
    expect(fastest([7])).toBe(7);
  });
});
