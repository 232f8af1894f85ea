import { describe, expect, it } from 'vitest';
import { classesOf, type Dataset } from './dataset.ts';
import { GLYPHS, glyphs } from './glyphs.ts';

const pictures = (set: Dataset, count: number): Float32Array => {
  const size = set.inputs['x']!.dims.reduce((product, dim) => product * dim, count);
  const into = new Float32Array(size);
  set.fill(
    'x',
    Int32Array.from({ length: count }, (_, i) => i),
    into,
  );
  return into;
};

describe('glyphs', () => {
  it('draws the same pictures for the same seed, a longer set beginning with the shorter', () => {
    const a = glyphs({ train: 30, test: 20, seed: 7 });
    const b = glyphs({ train: 50, test: 20, seed: 7 });
    expect(pictures(a.train, 30)).toEqual(pictures(b.train, 30));
    expect(pictures(glyphs({ train: 30, test: 20, seed: 8 }).train, 30)).not.toEqual(pictures(a.train, 30));
    expect(pictures(a.test, 20)).not.toEqual(pictures(a.train, 20));
  });

  it('balances its classes and names them', () => {
    const { train } = glyphs({ train: 200, test: 1 });
    const counts = new Array<number>(GLYPHS.length).fill(0);
    for (const label of classesOf(train)) counts[label]!++;
    expect(new Set(counts)).toEqual(new Set([10]));
    expect(train.classes).toEqual([...'0123456789ACEFHKPRTX']);
  });

  it('takes other sizes, colours and layouts, with values from 0 to 1', () => {
    const { train } = glyphs({ train: 20, test: 1, size: 40, channels: 3, layout: 'nhwc' });
    expect(train.inputs['x']).toEqual({ dtype: 'float32', dims: [40, 40, 3] });
    const values = pictures(train, 20);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThanOrEqual(1);
    const planar = pictures(glyphs({ train: 20, test: 1, size: 40, channels: 3 }).train, 1);
    expect(planar[1600]).toBe(values[1]);
  });

  it('shows ink on every picture, near the middle more than at the rim', () => {
    const { train } = glyphs({ train: 100, test: 1 });
    const values = pictures(train, 100);
    for (let i = 0; i < 100; i++) {
      let [rim, middle] = [0, 0];
      for (let y = 0; y < 28; y++) {
        for (let x = 0; x < 28; x++) {
          const value = values[i * 784 + y * 28 + x]!;
          if (Math.min(x, y, 27 - x, 27 - y) < 2) rim += value / 208;
          else if (Math.min(x, y, 27 - x, 27 - y) >= 6) middle += value / 256;
        }
      }
      expect(middle).toBeGreaterThan(rim);
    }
  });

  it('refuses sizes that it cannot draw', () => {
    expect(() => glyphs({ size: 8 })).toThrow('cannot be drawn');
  });
});
