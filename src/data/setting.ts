/** Inputs without axes are settings, not samples: a sample rate, a flag, a length so far. */

import { isFloat } from '../graph/dtype.ts';
import type { Column } from './dataset.ts';
import type { Port } from './port.ts';

/** Settings whose usual value their name tells. */
const USUAL: readonly (readonly [RegExp, number])[] = [
  [/^(sr|fs|sample_?rate|sampling_?rate)$/i, 16000],
  [/threshold$/i, 0.5],
  [/^(is_?)?train(ing)?(_mode)?$/i, 0],
];

/** The value that stands in for a setting nobody gave: what its name suggests, else 1 (0 for a flag). */
export const settingOf = ({ name, dtype }: Pick<Port, 'name' | 'dtype'>): number => {
  const usual = USUAL.find(([pattern]) => pattern.test(name))?.[1] ?? (dtype === 'bool' ? 0 : 1);
  return isFloat(dtype) ? usual : Math.round(usual);
};

/** A column that holds the same setting for all samples. */
export const settingColumn = ({ dtype }: Port): Column => ({ dtype, dims: [], whole: true });
