import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frontierOf } from './frontier.ts';
import type { Trial } from './workshop.ts';

const trial = ([drop, latencyRatio, bytes]: readonly [number, number, number], i: number): Trial => ({
  ...{ key: `${i}`, calls: [], macs: 1, parameters: 1, latencyMs: 1, distance: 0, seconds: 0, notes: [] },
  ...{ drop, latencyRatio, bytes },
});
const few = fc.integer({ min: 0, max: 4 });

describe('the frontier', () => {
  it('holds exactly the trials that no other beats', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(few, few, few), { minLength: 1, maxLength: 12 }), (figures) => {
        const trials = figures.map(trial);
        const frontier = new Set(frontierOf(trials).map(({ key }) => key));
        for (const a of trials) {
          const isBeaten = trials.some(
            (b) =>
              b.drop <= a.drop &&
              b.latencyRatio <= a.latencyRatio &&
              b.bytes <= a.bytes &&
              b.drop + b.latencyRatio + b.bytes < a.drop + a.latencyRatio + a.bytes,
          );
          expect(frontier.has(a.key)).toBe(!isBeaten);
        }
      }),
    );
  });
});
