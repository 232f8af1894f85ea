/** Inputs without axes: settings that all samples share. */

import { expect, it } from 'vitest';
import { fromArrays } from './arrays.ts';
import { noise } from './noise.ts';
import { bind } from './port.ts';
import { settingOf } from './setting.ts';

const sr = { name: 'sr', dtype: 'int64', dims: [] } as const;

it('takes what the name suggests', () => {
  expect(settingOf(sr)).toBe(16000);
  expect(settingOf({ name: 'training', dtype: 'bool' })).toBe(0);
  expect(settingOf({ name: 'temperature', dtype: 'float32' })).toBe(1);
});

it('is drawn once for all samples, and made up where a data set lacks it', () => {
  const x = { name: 'x', dtype: 'float32', dims: ['N', 3] } as const;
  const drawn = noise([x, sr], { size: 4 });
  const bound = bind(noise([x], { size: 4 }), [x, sr]);
  for (const set of [drawn, bound]) {
    const into = new BigInt64Array(1);
    set.fill('sr', [0, 1, 2, 3], into);
    expect(into[0]).toBe(16000n);
  }
});

it('comes from an array without axes', () => {
  const { train } = fromArrays('arrays', {
    x: { dtype: 'float32', dims: [2, 3], data: new Float32Array(6) },
    sr: { dtype: 'int64', dims: [], data: BigInt64Array.of(8000n) },
  });
  const into = new BigInt64Array(1);
  bind(train, [{ name: 'x', dtype: 'float32', dims: ['N', 3] }, sr]).fill('sr', [1, 0], into);
  expect([train.size, into[0]]).toEqual([2, 8000n]);
});

it('comes from one number a sample where they are all alike, and is refused where they differ', () => {
  const ports = [{ name: 'x', dtype: 'float32', dims: ['N', 3] } as const, sr];
  const arrays = (...values: number[]) =>
    fromArrays('arrays', {
      x: { dtype: 'float32', dims: [2, 3], data: new Float32Array(6) },
      sr: { dtype: 'float32', dims: [2], data: Float32Array.from(values) },
    }).train;
  const into = new BigInt64Array(1);
  const bound = bind(arrays(8000, 8000), ports);
  bound.fill('sr', [1, 0], into);
  expect([bound.inputs['sr']!.whole, into[0]]).toEqual([true, 8000n]);
  expect(() => bind(arrays(8000, 16000), ports)).toThrow('takes one number for all of its samples');
});
