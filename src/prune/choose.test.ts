import { describe, expect, it } from 'vitest';
import { randomNetwork, type Step } from '../../test/contract/random-network.ts';
import { random } from '../base/random.ts';
import { choose } from './choose.ts';
import { cut } from './cut.ts';
import { estimator, sizeOfGraph } from './estimate.ts';
import { type Solved, solve } from './group.ts';

const STEPS: Step[] = [
  [0, 4, 0],
  [1, 0, 0],
  [2, 0, 0],
  [4, 0, 1],
  [0, 3, 0],
  [5, 0, 2],
  [6, 0, 0],
  [13, 2, 0],
  [0, 4, 0],
];
const model = randomNetwork(STEPS, 3);
const solved = solve(model.graph);
const draw = ({ groups }: Solved): Float64Array[] =>
  groups.map(({ size, id }) => Float64Array.from({ length: size }, () => random(id, 'score').uniform() + id / 50));
const scores = draw(solved);

describe('the estimate', () => {
  it('is what the cut graph costs', () => {
    const kept = solved.groups.map(({ size }) => Math.ceil(size / 2));
    const cuts = solved.groups.map((group, i) => ({
      group,
      units: Array.from({ length: group.size - kept[i]! }, (_, unit) => unit),
    }));
    const { macs, parameters } = sizeOfGraph(cut(model, solved, cuts).graph);
    expect(estimator(model.graph, solved.groups)(kept)).toMatchObject({ macs, parameters });
  });
});

describe('choose', () => {
  it('leaves to a rule what it names, and spends the budget on the rest', () => {
    const [first] = solved.groups;
    const weight = first!.places.find(({ isWeight }) => isWeight)!.value;
    const rules = [{ layer: weight, keep: 1 }];
    const { kept, isMet } = choose(solved, scores, { keep: { macs: 0.7 }, rules });
    expect(isMet).toBe(true);
    expect(kept[0]).toBe(first!.size);
    const half = choose(solved, scores, { keep: { channels: 1 }, rules: [{ layer: weight, keep: 0.5 }] });
    expect(half.kept).toEqual(solved.groups.map(({ size }, i) => (i === 0 ? Math.round(size / 2) : size)));
    expect(() => choose(solved, scores, { keep: { macs: 0.7 }, rules: [{ layer: 'nowhere', keep: 1 }] })).toThrow(
      /No group of channels/,
    );
  });

  it('spends time by the table that it is given', () => {
    const latency = (kept: ArrayLike<number>): number => 3 + Array.from(kept).reduce((a, b) => a + b, 0);
    const { share, kept } = choose(solved, scores, { keep: { latency: 0.7 }, latency });
    expect(share).toBeLessThanOrEqual(0.7);
    expect(share).toBeCloseTo(latency(kept) / latency(solved.groups.map(({ size }) => size)), 12);
    expect(() => choose(solved, scores, { keep: { latency: 0.7 } })).toThrow(/times of the layers/);
  });

  it('keeps the least width', () => {
    const { kept } = choose(solved, scores, { keep: { channels: 0.2 }, minimum: 2, roundTo: 1 });
    for (const [i, count] of kept.entries()) expect(count).toBeGreaterThanOrEqual(Math.min(2, solved.groups[i]!.size));
  });

  for (const what of ['macs', 'parameters', 'bytes', 'channels'] as const) {
    for (const rank of ['global', 'local', 'isomorphic'] as const) {
      it(`keeps no more than the share of ${what}, and about that much, with ${rank} ranking`, () => {
        const keep = { [what]: 0.6 } as unknown as { macs: number };
        const { share, isMet, kept } = choose(solved, scores, { keep, rank });
        expect(isMet).toBe(true);
        expect(share).toBeLessThanOrEqual(0.6);
        expect(share).toBeGreaterThan(0.5);
        for (const [i, count] of kept.entries()) expect(count).toBeGreaterThan(0.1 * solved.groups[i]!.size - 1);
      });
    }
  }

  it('takes first what costs much for the loss that it brings, where scores are losses', () => {
    const even = solved.groups.map(({ size }) => new Float64Array(size).fill(1));
    const all = solved.groups.map(({ size }) => size);
    const price = (group: number): number => {
      const gone = Math.max(1, Math.floor(all[group]! / 4));
      const { macs } = estimator(solved.graph, solved.groups)(all.map((n, i) => (i === group ? n - gone : n)));
      return (estimator(solved.graph, solved.groups)(all).macs - macs) / gone;
    };
    const prices = solved.groups.map((_, i) => price(i));
    const { kept } = choose(solved, even, { keep: { macs: 0.8 }, isPerCost: true, roundTo: 1 });
    const lost = kept.map((count, i) => all[i]! - count);
    const dearest = prices.indexOf(Math.max(...prices));
    expect(lost[dearest]).toBeGreaterThan(0);
    for (const [i, price] of prices.entries()) if (lost[i]! > 0) expect(price).toBeGreaterThan(Math.min(...prices));
  });

  it('takes the lowest scores of a group', () => {
    for (const { group, units } of choose(solved, scores, { keep: { macs: 0.5 } }).cuts) {
      const own = scores[group.id]!;
      const gone = Math.max(...units.map((unit) => own[unit]!));
      const stays = own.filter((_, unit) => !units.includes(unit));
      expect(Math.min(...stays)).toBeGreaterThanOrEqual(gone);
    }
  });

  it('keeps multiples, or all', () => {
    const { kept, roundTo } = choose(solved, scores, { keep: { macs: 0.6 }, roundTo: 2 });
    expect(roundTo).toBe(2);
    kept.forEach((count, i) => {
      const { size, places } = solved.groups[i]!;
      const isDense = places.every(
        ({ value, isWeight }) => !isWeight || solved.graph.initializers.get(value)!.dims.length < 3,
      );
      // A unit that takes two filters makes a multiple of two by itself.
      const isPair = places.some(({ isWeight, each }) => isWeight && each % 2 === 0);
      expect(isDense || isPair || count % 2 === 0 || count === size).toBe(true);
    });
  });

  it('says when protection leaves the budget out of reach', () => {
    const { isMet, share } = choose(solved, scores, { keep: { macs: 0.001 } });
    expect(isMet).toBe(false);
    expect(share).toBeGreaterThan(0.001);
  });

  it('cuts nothing when all may stay', () => {
    expect(choose(solved, scores, { keep: { macs: 1 } }).cuts).toEqual([]);
  });

  it('refuses a share above 1 and two budgets at once', () => {
    expect(() => choose(solved, scores, { keep: { macs: 50 } })).toThrowError(/between 0 and 1/);
    expect(() => choose(solved, scores, { keep: { macs: 0.5, bytes: 0.5 } as never })).toThrowError(/one thing/);
  });
});
