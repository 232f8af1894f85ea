import { describe, expect, it } from 'vitest';
import { fromHalf } from '../graph/tensor.ts';
import { classesOf, inMemory, LABELS } from './dataset.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
  return 'nothing thrown';
};

describe('inMemory', () => {
  const pixels = Uint8Array.from({ length: 3 * 2 * 4 }, (_, i) => i * 10);
  const set = inMemory({
    name: 'tiny',
    inputs: {
      chw: { dtype: 'float32', dims: [2, 2, 2], data: pixels, scale: [0.5, 2], shift: [-1, 1] },
      hwc: { dtype: 'float32', dims: [2, 2, 2], data: pixels, scale: [0.5, 2], shift: [-1, 1], channelAxis: 2 },
      half: { dtype: 'float16', dims: [8], data: pixels, scale: 0.25 },
      plain: { dtype: 'uint8', dims: [8], data: pixels },
    },
    labels: { dtype: 'int64', dims: [], data: Uint8Array.of(2, 0, 1) },
  });

  it('normalises along the channel axis, in the order asked for', () => {
    const indices = [2, 0];
    const want = (channel: (j: number) => number): number[] =>
      indices.flatMap((i) =>
        Array.from({ length: 8 }, (_, j) => (i * 8 + j) * 10 * [0.5, 2][channel(j)]! + [-1, 1][channel(j)]!),
      );
    const into = new Float32Array(16);
    set.fill('chw', indices, into);
    expect([...into]).toEqual(want((j) => j >> 2));
    set.fill('hwc', indices, into);
    expect([...into]).toEqual(want((j) => j & 1));
  });

  it('copies what needs no change and converts labels to int64', () => {
    const into = new Uint8Array(8);
    set.fill('plain', [1], into);
    expect([...into]).toEqual([...pixels.subarray(8, 16)]);
    const labels = new BigInt64Array(2);
    set.fill(LABELS, [2, 0], labels);
    expect([...labels]).toEqual([1n, 2n]);
    expect([...classesOf(set)]).toEqual([2, 0, 1]);
    expect(set.task).toBe('classification');
  });

  it('writes half floats as bits', () => {
    const into = new Uint16Array(8);
    set.fill('half', [1], into);
    expect(Array.from(into, fromHalf)).toEqual(Array.from(pixels.subarray(8, 16), (v) => v * 0.25));
  });

  it('refuses what does not fit, each by its own code', () => {
    expect(codeOf(() => set.fill('nobody', [0], new Float32Array(8)))).toBe('data/column');
    expect(codeOf(() => set.fill('chw', [0], new Float32Array(7)))).toBe('data/fill');
    expect(codeOf(() => set.fill('chw', [3], new Float32Array(8)))).toBe('data/index');
    const x = { dtype: 'float32', dims: [2], data: new Float32Array(6) } as const;
    const labels = { dtype: 'int64', dims: [], data: new Int32Array(2) } as const;
    expect(codeOf(() => inMemory({ name: 'uneven', inputs: { x }, labels }))).toBe('data/length');
    expect(codeOf(() => inMemory({ name: 'none', inputs: { x: { ...x, data: new Float32Array(0) } } }))).toBe(
      'data/empty',
    );
    expect(codeOf(() => classesOf(inMemory({ name: 'bare', inputs: { x } })))).toBe('data/unlabelled');
  });
});
