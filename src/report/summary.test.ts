import { describe, expect, it } from 'vitest';
import { gainOf, type Step, stepOf } from './summary.ts';
import { showDrop, showGains, summaryTable } from './summary-table.ts';

const step = (name: string, bytes: number, value: number, batch1: number): Step => ({
  name,
  metric: { name: 'accuracy', value },
  bytes,
  parameters: bytes / 4,
  macs: bytes,
  latencyMs: { batch1 },
});

describe('summary', () => {
  it('compares the last step to the first', () => {
    const gain = gainOf([step('a', 800, 0.9, 2), step('b', 400, 0.1, 9), step('c', 100, 0.895, 0.5)])!;
    expect(gain.smaller).toBe(8);
    expect(gain.faster).toEqual([{ batch: 1, times: 4 }]);
    expect(gain.dropPoints).toBeCloseTo(0.5, 9);
    expect(showGains(gain)).toBe('8.00x smaller, 4.00x faster (batch 1), 0.50 points lost');
    expect(gainOf([step('a', 1, 1, 1)])).toBeUndefined();
  });

  it('calls equal what two digits do not tell apart', () => {
    const gain = gainOf([step('a', 1000, 0.8, 1), step('b', 1001, 0.8, 0.998)])!;
    expect(showGains(gain)).toBe('as large, as fast (batch 1), nothing lost');
  });

  it('does not hide what became worse', () => {
    const gain = gainOf([step('a', 100, 0.8, 1), step('b', 200, 0.9, 4)])!;
    expect(showGains(gain)).toBe('2.00x larger, 4.00x slower (batch 1), 10.00 points gained');
    expect(showDrop(0.001)).toBe('nothing lost');
  });

  it('prefers the ratio of paired rounds to that of medians', () => {
    const slow = step('a', 1, 1, 2);
    expect(gainOf([slow, { ...slow, latencyRatio: { batch1: 0.25 } }])!.faster).toEqual([{ batch: 1, times: 4 }]);
  });

  it('does not compare metrics of different names', () => {
    const other = { ...step('b', 1, 1, 1), metric: { name: 'agreement', value: 0.5 } };
    expect(gainOf([step('a', 1, 1, 1), other])).not.toHaveProperty('dropPoints');
  });

  it('makes a step of what was measured', () => {
    const timing = {
      batch: 32,
      p50Ms: 3,
      p95Ms: 4,
      minMs: 2,
      ratio: 0.5,
      ratioLow: 0.4,
      ratioHigh: 0.6,
      isDisturbed: false,
      against: 'a',
    };
    const made = stepOf(
      { name: 'm', bytes: 9, parameters: 2, macs: 3, unknown: [], timings: [timing] },
      { seconds: 1 },
    );
    expect(made).toEqual({
      name: 'm',
      bytes: 9,
      parameters: 2,
      macs: 3,
      latencyMs: { batch32: 3 },
      latencyRatio: { batch32: 0.5 },
      seconds: 1,
    });
  });

  it('shows a table with units and ratios', () => {
    const shown = summaryTable({
      title: 'demo',
      steps: [step('a', 8000, 0.9, 2), step('b', 1000, 0.89, 0.5)],
      curves: [],
      layers: [],
      notes: ['by hand'],
      machine: {},
      versions: {},
      seed: 0,
    });
    expect(shown).toContain('90.00 %  8.00 kB');
    expect(shown).toContain('1.00 kB  8.00x');
    expect(shown).toContain('8.00x smaller, 4.00x faster (batch 1), 1.00 points lost');
    expect(shown).toContain('note: by hand');
  });
});
