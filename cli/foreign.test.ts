import { expect, it } from 'vitest';
import type { PareError } from '../src/base/error.ts';
import { refuseAlone, refuseBoth, refuseForeign } from './foreign.ts';

const codeOf = (work: () => void): string => {
  try {
    work();
    return 'fine';
  } catch (thrown) {
    const { code, message, detail } = thrown as PareError;
    return [code, message, detail.where, detail.expected].join(' | ');
  }
};

const TAKES = { '--scheme a': ['bits', 'perTensor'], '--scheme b': ['bits'], '--scheme c': [] };

it('refuses a flag that belongs to other choices, and names them', () => {
  expect(codeOf(() => refuseForeign({ bits: 8 }, '--scheme c', TAKES))).toBe(
    'usage/conflict | --bits says nothing to --scheme c. | --bits | --scheme a or --scheme b',
  );
  expect(codeOf(() => refuseForeign({ perTensor: true }, '--scheme b', TAKES))).toContain('--per-tensor says nothing');
});

it.each([
  [{ bits: 8, perTensor: true }, '--scheme a'],
  [{ bits: undefined, perTensor: false, exclude: [] }, '--scheme c'],
  [{ exclude: ['Conv'], seed: 0 }, '--scheme c'],
])('takes %j with %s', (values, chosen) => {
  expect(codeOf(() => refuseForeign(values, chosen, TAKES))).toBe('fine');
});

it('refuses what another flag settles, and what says more of a flag that is not there', () => {
  expect(codeOf(() => refuseBoth({ bits: 4, targetSize: 9 }, [['bits', 'targetSize']]))).toContain(
    '--bits says nothing to --target-size',
  );
  expect(codeOf(() => refuseBoth({ bits: 4 }, [['bits', 'targetSize']]))).toBe('fine');
  const needs = { paletteAs: ['palette'], keepMacs: ['blocks', 'factorize'] };
  expect(codeOf(() => refuseAlone({ paletteAs: 'indices' }, needs))).toBe(
    'usage/missing | --palette-as says nothing without --palette. | --palette-as | --palette',
  );
  expect(codeOf(() => refuseAlone({ keepMacs: 0.5, blocks: [], factorize: 'svd' }, needs))).toBe('fine');
  expect(codeOf(() => refuseAlone({ keepMacs: 0.5, blocks: [] }, needs))).toContain('--blocks or --factorize');
});
