import { describe, expect, it } from 'vitest';
import type { StreamedArray } from '../train/tensor-file.ts';
import { localGroup } from './local.ts';
import { type Part, putPart, takePart } from './part.ts';
import { parts, whole } from './share.ts';
import { broadcastData, tell } from './tell.ts';

const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i + 1);
const empty = (length: number) => ({ dims: [length], values: new Float32Array(length) });

describe('plain data between ranks', () => {
  it('comes to all as it was, numbers that JSON has no word for included', async () => {
    const value = { a: [1, Number.NaN, Number.POSITIVE_INFINITY], b: 'ä', c: undefined, d: null };
    const told = await Promise.all(localGroup(3).map((me) => broadcastData(me, me.rank === 1 ? value : undefined, 1)));
    for (const each of told) expect(each).toEqual(value);
  });

  it('what the first rank throws, all throw', async () => {
    const work = (): never => {
      throw Object.assign(new RangeError('no'), {});
    };
    const all = await Promise.allSettled(localGroup(2).map((me) => tell(me, work)));
    for (const each of all) expect(each).toMatchObject({ status: 'rejected', reason: { message: /no/ } });
  });
});

describe('parts of a whole', () => {
  it('positions along two axes are taken out and put back', () => {
    const part: Part = { of: 'w', dims: [3, 4, 2], positions: [[0, 2], [1, 3], undefined] };
    const all = ramp(24);
    const own = new Float32Array(8);
    takePart(part, all, own);
    expect([...own]).toEqual([3, 4, 7, 8, 19, 20, 23, 24]);
    const back = new Float32Array(24);
    putPart(part, own, back);
    back.forEach((x, i) => {
      expect(x === 0 || x === all[i]).toBe(true);
    });
    expect(back.filter((x) => x !== 0).length).toBe(8);
  });

  it('what ranks hold is whole at the first, and dealt out again', async () => {
    const layouts: Part[][] = [[{ of: 'w', dims: [10], range: [0, 4] }], [{ of: 'w', dims: [10], range: [4, 10] }]];
    const own = [
      new Map([
        ['w[0]', { dims: [4], values: ramp(10).slice(0, 4) }],
        ['b', { dims: [2], values: ramp(2) }],
      ]),
      new Map([
        ['w[1]', { dims: [6], values: ramp(10).slice(4) }],
        ['c', { dims: [3], values: ramp(3) }],
      ]),
    ];
    const partOf = (rank: number) => (name: string) => (name.startsWith('w') ? layouts[rank]![0] : undefined);
    const joined = async (all: ReadonlyMap<string, StreamedArray>) => {
      const read = new Map<string, { dims: readonly number[]; values: Float32Array }>();
      for (const [name, { dims, pieces }] of all) {
        const values: number[] = [];
        for await (const piece of pieces()) values.push(...piece);
        read.set(name, { dims, values: Float32Array.from(values) });
      }
      return read;
    };
    const [first] = await Promise.all(localGroup(2).map((me) => whole(me, own[me.rank]!, partOf(me.rank), joined)));
    expect([...first!.get('w')!.values]).toEqual([...ramp(10)]);
    expect([...first!.keys()].sort()).toEqual(['b', 'c', 'w']);
    const blank = [
      new Map([
        ['w[0]', empty(4)],
        ['b', empty(2)],
      ]),
      new Map([
        ['w[1]', empty(6)],
        ['c', empty(3)],
      ]),
    ];
    await Promise.all(
      localGroup(2).map((me) => parts(me, blank[me.rank]!, me.rank === 0 ? first! : new Map(), partOf(me.rank))),
    );
    expect(blank).toEqual(own);
  });

  it('a missing array is an error on all ranks', async () => {
    const all = await Promise.allSettled(localGroup(2).map((me) => parts(me, new Map([['a', empty(2)]]), new Map())));
    for (const each of all) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'train/resume' } });
  });
});
