import { describe, expect, it } from 'vitest';
import { blockOf } from './collective.ts';
import { localGroup } from './local.ts';

const ramp = (factor: number): Float32Array => Float32Array.from({ length: 10 }, (_, i) => factor * (i + 1));

describe('a group inside one process', () => {
  it.each([1, 2, 3, 4])('%i ranks: every collective does what it says', async (size) => {
    const total = (size * (size + 1)) / 2;
    const group = localGroup(size);
    await Promise.all(
      group.map(async (me) => {
        const sum = ramp(me.rank + 1);
        await me.allReduce(sum);
        expect(sum).toEqual(ramp(total));
        const mean = ramp(me.rank + 1);
        await me.allReduce(mean, 'mean');
        mean.forEach((x, i) => {
          expect(x).toBeCloseTo((total / size) * (i + 1), 5);
        });
        const scattered = ramp(me.rank + 1);
        await me.reduceScatter(scattered);
        const block = blockOf(10, size, me.rank);
        expect(scattered.subarray(...block)).toEqual(ramp(total).subarray(...block));
        await me.allGather(scattered);
        expect(scattered).toEqual(ramp(total));
        const dealt = new Float32Array(size);
        await me.allToAll(
          Float32Array.from({ length: size }, (_, to) => 10 * me.rank + to),
          dealt,
        );
        expect([...dealt]).toEqual(Array.from({ length: size }, (_, from) => 10 * from + me.rank));
        const told = ramp(me.rank + 1);
        await me.broadcast(told, size - 1);
        expect(told).toEqual(ramp(size));
        const passed = new Float32Array(10);
        await me.send(ramp(me.rank + 1), (me.rank + 1) % size, 3);
        await me.receive(passed, (me.rank + size - 1) % size, 3);
        expect(passed).toEqual(ramp(((me.rank + size - 1) % size) + 1));
        await me.barrier();
      }),
    );
  });

  it('split makes groups of those that say the same', async () => {
    await Promise.all(
      localGroup(6).map(async (me) => {
        const rows = await me.split(me.rank % 2);
        const columns = await me.split(Math.floor(me.rank / 2));
        expect([rows.size, rows.rank, columns.size, columns.rank]).toEqual([
          3,
          Math.floor(me.rank / 2),
          2,
          me.rank % 2,
        ]);
        const sum = Float32Array.of(me.rank);
        await rows.allReduce(sum);
        expect(sum[0]).toBe(me.rank % 2 === 0 ? 6 : 9);
        await columns.allReduce(sum);
        expect(sum[0]).toBe(15);
      }),
    );
  });

  it('blocks cover everything once', () => {
    for (const [length, size] of [
      [10, 3],
      [2, 5],
      [0, 2],
      [7, 7],
    ] as const) {
      let end = 0;
      for (let rank = 0; rank < size; rank++) {
        const [from, to] = blockOf(length, size, rank);
        expect(from).toBe(end);
        end = to;
      }
      expect(end).toBe(length);
    }
  });

  it('ranks that ask for different things are all told', async () => {
    const [a, b] = localGroup(2);
    const asked = [a!.allReduce(new Float32Array(3)), b!.allReduce(new Float32Array(4))];
    for (const each of await Promise.allSettled(asked)) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'parallel/mismatch' } });
    }
  });
});
