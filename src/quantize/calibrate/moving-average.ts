import { NOTHING, type Range, rangeOf } from '../range.ts';
import type { Calibrator } from './calibrator.ts';

const BATCH = 32;

/**
 * An exponential average of the batches' extremes: one odd batch moves the range by a share of its excess only.
 *
 *   m ← momentum · m + (1 − momentum) · extreme of the batch        the first batch sets m
 *
 * Batches whose weight has sunk below the rounding of a number (349 batches ago, at 0.9) are forgotten.
 * Source   Jacob et al. 2018, arXiv:1712.05877, section 3.1.
 */
export const movingAverage = ({ momentum = 0.9 } = {}): Calibrator<Range[]> => {
  const most = Math.max(1, Math.ceil(Math.log(Number.EPSILON / 2) / Math.log(momentum)));
  const forget = (seen: Range[]): void => {
    seen.splice(0, seen.length - most);
  };
  return {
    name: `moving-average ${momentum}`,
    endsOnly: true,
    batch: BATCH,
    start: () => [],
    see: (seen, x) => {
      if (x.length > 0) seen.push(rangeOf(x));
      forget(seen);
    },
    merge: (into, from) => {
      into.push(...from);
      forget(into);
    },
    range: (seen) => {
      const [first = NOTHING, ...rest] = seen;
      return rest.reduce(
        (m, now) => ({
          lo: momentum * m.lo + (1 - momentum) * now.lo,
          hi: momentum * m.hi + (1 - momentum) * now.hi,
        }),
        first,
      );
    },
  };
};
