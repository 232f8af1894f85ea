import { join, NOTHING, type Range, rangeOf } from '../range.ts';
import type { Calibrator } from './calibrator.ts';

/** Everything that was seen. Right where outliers matter (regression, detection heads) and for few samples. */
export const minmax = (): Calibrator<{ range: Range }> => ({
  name: 'minmax',
  endsOnly: true,
  start: () => ({ range: NOTHING }),
  see: (seen, x) => {
    seen.range = join(seen.range, rangeOf(x));
  },
  merge: (into, from) => {
    into.range = join(into.range, from.range);
  },
  range: (seen) => seen.range,
});
