import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inOrder } from './in-order.ts';

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

describe('inOrder', () => {
  it('gives the results in the order of the pieces, and never has more at work than lanes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9)), fc.integer({ min: 1, max: 4 }), async (delays, lanes) => {
        const busy = new Set<number>();
        let most = 0;
        const readied: number[] = [];
        const near: number[] = [];
        const results: number[] = [];
        const pieces = delays.map((delay, i) => ({ delay, i }));
        const work = {
          ahead: async ({ delay, i }: { delay: number; i: number }) => {
            expect(readied.length).toBe(i);
            await turns(delay);
            near.push(i);
          },
          ready: async ({ delay, i }: { delay: number; i: number }, lane: number) => {
            expect(busy.has(lane)).toBe(false);
            expect(near.at(-1)).toBe(i);
            await turns(9 - delay);
            readied.push(i);
          },
          work: async ({ delay, i }: { delay: number; i: number }, lane: number) => {
            busy.add(lane);
            most = Math.max(most, busy.size);
            await turns(delay);
            busy.delete(lane);
            return i;
          },
        };
        for await (const result of inOrder(pieces, { lanes }, work)) results.push(result);
        expect(results).toEqual(pieces.map(({ i }) => i));
        expect(readied).toEqual(results);
        expect(most).toBeLessThanOrEqual(lanes);
      }),
      { numRuns: 50 },
    );
  });

  it('tells of a failure in its turn, and waits for those at work', async () => {
    let ended = 0;
    const results: number[] = [];
    const go = async (): Promise<void> => {
      const work = async (i: number): Promise<number> => {
        await turns(i === 1 ? 1 : 20);
        ended += 1;
        if (i === 1) throw new Error('one');
        return i;
      };
      for await (const result of inOrder([0, 1, 2, 3, 4], { lanes: 3 }, { work })) results.push(result);
    };
    await expect(go()).rejects.toThrow('one');
    expect(results).toEqual([0]);
    expect(ended).toBe(4);
  });

  it('lets go of what it has told', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const told: WeakRef<object>[] = [];
    const pieces = Array.from({ length: 20 }, (_, i) => i);
    for await (const result of inOrder(pieces, { lanes: 2 }, { work: async (i) => ({ i }) })) {
      told.push(new WeakRef(result));
      await new Promise((resolve) => setTimeout(resolve));
      if (told.length < pieces.length) continue;
      collect();
      // Not how many exactly: compiled code may still hold one or the other.
      expect(told.filter((one) => one.deref() !== undefined).length).toBeLessThan(pieces.length / 2);
    }
  });

  it('tells of a failure ahead once it is needed', async () => {
    const results: number[] = [];
    const ahead = async (i: number): Promise<void> => {
      if (i === 2) throw new Error('two');
    };
    const go = async (): Promise<void> => {
      for await (const result of inOrder([0, 1, 2], { lanes: 1 }, { ahead, work: async (i) => i }))
        results.push(result);
    };
    await expect(go()).rejects.toThrow('two');
    expect(results).toEqual([0, 1]);
  });

  it('waits for those at work when the caller stops', async () => {
    let ended = 0;
    const work = async (): Promise<void> => {
      await turns(10);
      ended += 1;
    };
    for await (const _ of inOrder([0, 1, 2, 3], { lanes: 2 }, { work })) break;
    expect(ended).toBe(2);
  });
});
