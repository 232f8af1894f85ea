import { describe, expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import { zeros } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';
import { solve } from './group.ts';
import { roundings, snapsOf } from './rounding.ts';

describe('widths', () => {
  const building = draft<StaticValue>();
  const { g } = building;
  const conv = (x: StaticValue, width: number): StaticValue =>
    g.Conv(x, g.constant(zeros('float32', [width, x.dims[1]!, 1, 1]), 'W'));
  const h = conv(conv(g.input('x', 'float32', [1, 3, 4, 4]), 16), 64);
  const y = g.MatMul(g.ReduceMean(h, [2, 3], { keepdims: 0 }), g.constant(zeros('float32', [64, 5]), 'V'));
  const solved = solve(building.finish([valueInfo(y.name, 'float32', [1, 5])]));
  const at = (round: number, narrow: number, wanted: number) =>
    snapsOf(solved, { round, narrow }, 1, 0.9).map(({ snap }) => snap(wanted));

  it('of wide layers stay multiples of what is asked for, and only narrow ones become finer', () => {
    expect(solved.groups.map(({ size }) => size)).toEqual([16, 64]);
    expect([at(16, 8, 5), at(16, 8, 9), at(16, 8, 17), at(16, 8, 49)]).toEqual([
      [8, 8],
      [16, 16],
      [16, 32],
      [16, 64],
    ]);
    expect(at(16, 16, 5)).toEqual([16, 16]);
    expect(at(16, 8, 1)).toEqual([8, 8]);
  });

  it('are tried from coarse to fine', () => {
    expect(roundings(8).map(({ round, narrow }) => `${round}/${narrow}`)).toEqual([
      '8/8',
      '8/4',
      '4/4',
      '4/2',
      '2/2',
      '1/1',
    ]);
  });
});
