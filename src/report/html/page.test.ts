import { describe, expect, it } from 'vitest';
import type { Summary } from '../summary.ts';
import { shorten } from '../table.ts';
import { htmlReport } from './page.ts';
import { axisOf } from './scale.ts';

const EVIL = `"><script>alert('x')</script><img src=x onerror=1>&`;
const size = { parameters: 10, macs: 20, bytes: 40 };
const summary: Summary = {
  title: EVIL,
  data: EVIL,
  seed: 3,
  command: `pare demo ${EVIL}`,
  steps: [
    {
      name: EVIL,
      metric: { name: 'accuracy', value: 0.9 },
      bytes: 1000,
      parameters: 250,
      macs: 500,
      latencyMs: { batch1: 2, batch32: 9 },
    },
    {
      name: 'int8',
      metric: { name: 'accuracy', value: 0.895 },
      bytes: 250,
      parameters: 250,
      macs: 500,
      latencyMs: { batch1: 1, batch32: 3 },
      latencyRatio: { batch1: 0.5, batch32: 0.25 },
      seconds: 61,
    },
  ],
  curves: [
    { step: EVIL, epochs: [{ loss: 2 }, { loss: Number.NaN }, { loss: 1, metric: { name: EVIL, value: 0.5 } }] },
  ],
  layers: [
    { name: EVIL, op: EVIL, before: size },
    { name: 'b', op: 'Conv', before: size, after: size },
    { name: 'c', op: 'Gemm', after: size },
  ],
  tables: [
    { columns: [{ title: EVIL, align: 'left' }, { title: 'nothing' }, { title: 'times' }], rows: [[EVIL, '', '3']] },
    { columns: [{ title: 'node' }], rows: Array.from({ length: 40 }, (_, i) => [`node ${i}`]) },
  ],
  notes: [EVIL],
  machine: { cpu: EVIL, cores: 2 },
  versions: { pare: EVIL, [EVIL]: '1' },
};

describe('htmlReport', () => {
  const page = htmlReport(summary);

  it('escapes everything that comes from outside', () => {
    expect(page).not.toContain('<script');
    expect(page).not.toContain('<img');
    expect(page).toContain('&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;');
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it('shows what was done, long tables folded, columns of blanks left out', () => {
    expect(page).toContain('<h2>What was done</h2>');
    expect(page).toContain('<summary>node: 40</summary>');
    expect(page).not.toContain('<th>nothing</th>');
  });

  it('asks nothing of the network and forbids itself to', () => {
    expect(page).not.toMatch(/https?:|@import|url\(|\bsrc=[^x]|<link/);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'`);
    expect(page).not.toMatch(/ style="/);
  });

  it('is well formed: every tag that opens closes', () => {
    const body = page.replace(/<style>[\s\S]*?<\/style>/, '').replace('<!doctype html>', '');
    const open: string[] = [];
    for (const [, slash, name, rest] of body.matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
      if (rest!.endsWith('/') || name === 'meta') continue;
      if (slash) expect(open.pop()).toBe(name);
      else open.push(name!);
    }
    expect(open).toEqual([]);
  });

  it('states the gains: bytes by the files, speed by the paired ratios', () => {
    expect(page).toContain('<b>4.00x <small>smaller</small></b>');
    expect(page).toContain('<b>2.00x <small>faster</small></b>');
    expect(page).toContain('<b>4.00x <small>faster</small></b>');
    expect(page).toContain('<b>0.50 <small>points lost</small></b>');
  });

  it('stands with a single step and nothing else', () => {
    const bare = htmlReport({ ...summary, steps: [summary.steps[0]!], curves: [], layers: [], notes: [] });
    expect(bare).not.toMatch(/undefined|NaN|Step by step|Training|Layers/);
  });
});

describe('axes', () => {
  it.each([
    [
      [0.971, 0.989],
      [0.97, 0.975, 0.98, 0.985, 0.99],
    ],
    [
      [0, 100],
      [0, 50, 100],
    ],
    [[5], [4, 6]],
    [[], [0, 1]],
    [
      [Number.NaN, 1, 3],
      [1, 1.5, 2, 2.5, 3],
    ],
  ])('around %j have round ticks', (values, ticks) => {
    const axis = axisOf(values);
    expect(axis.low).toBeLessThanOrEqual(Math.min(...values.filter(Number.isFinite), axis.high));
    expect(axis.ticks.length).toBeGreaterThan(1);
    if (ticks.length > 2) expect(axis.ticks.at(0)).toBe(ticks[0]);
    expect(axis.ticks.at(-1)).toBeGreaterThanOrEqual(Math.max(...values.filter(Number.isFinite), 0));
  });

  it('reach from one value towards zero: an accuracy of 1 is not drawn up to 1.5', () => {
    expect(axisOf([1, 1])).toMatchObject({ low: 0.5, high: 1 });
    expect(axisOf([0]).low).toBe(0);
  });

  it('shorten names in the middle', () => {
    expect(shorten('layer1/conv2/weight', 11)).toBe('layer…eight');
    expect(shorten('short', 11)).toBe('short');
  });
});
